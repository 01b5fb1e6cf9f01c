/**
 * A Glance image to boot from: an existing one by id or name, or one uploaded from a URL. Upstream analogue:
 * azimuth-ops role community_images.
 */
import * as command from "@pulumi/command";
import * as openstack from "@pulumi/openstack";
import * as pulumi from "@pulumi/pulumi";
import type { ImageConfig } from "../config/schema.ts";
import { imageDownloadScript } from "../lib/image-download.ts";
import type { ProxySettings } from "../lib/proxy.ts";
import { imageId } from "./lookup.ts";

export interface MachineImageArgs {
  /** Exactly one of `id`, `name` and `url` is set. */
  readonly image: ImageConfig;
  /** Name that an uploaded image gets in Glance. */
  readonly imageName: string;
  /** Glance properties of an uploaded image. Default: none. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Who sees an uploaded image; public takes an administrator. Default: private. */
  readonly visibility?: "private" | "public";
  /** The way out for a download with a checksum. Default: what the runner's environment says. */
  readonly proxy?: ProxySettings | undefined;
  /** Keep an uploaded image as it was uploaded, whatever `image` says later. Default: false. */
  readonly fixed?: boolean;
}

/** The image; `imageId` is its id in Glance. */
export class MachineImage extends pulumi.ComponentResource {
  readonly imageId: pulumi.Output<string>;

  constructor(name: string, args: MachineImageArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("capi-mgmt:index:MachineImage", name, {}, opts);
    const { image } = args;
    if (image.id !== undefined) this.imageId = pulumi.output(image.id);
    // A name is looked up at each run: the machines' owner decides what another answer does.
    else if (image.name !== undefined) this.imageId = imageId(image.name, this);
    else if (image.url !== undefined) this.imageId = this.uploaded(name, args, image.url);
    else throw new Error(`${name}: one of image.id, image.name and image.url is required`);
    this.registerOutputs({ imageId: this.imageId });
  }

  private uploaded(name: string, args: MachineImageArgs, url: string): pulumi.Output<string> {
    const { checksum, diskFormat } = args.image;
    const source =
      checksum === undefined
        ? { imageSourceUrl: url, verifyChecksum: true }
        : { localFilePath: this.download(name, url, checksum, args.proxy), verifyChecksum: true };
    const uploaded = new openstack.images.Image(
      `${name}-upload`,
      {
        name: args.imageName,
        containerFormat: "bare",
        diskFormat: diskFormat ?? "qcow2",
        visibility: args.visibility ?? "private",
        ...source,
        ...(args.properties === undefined ? {} : { properties: args.properties }),
      },
      // A download's path tells its checksum: another one is another image. The cache of the other kind is the runner's.
      {
        parent: this,
        ignoreChanges: [
          "imageCachePath",
          ...(args.fixed === true ? ["localFilePath", "imageSourceUrl", "diskFormat", "properties"] : []),
        ],
        replaceOnChanges: args.fixed === true ? [] : ["imageSourceUrl", "localFilePath"],
      },
    );
    return uploaded.id;
  }

  /**
   * Downloads to the runner and compares before anything is uploaded: the provider's verifyChecksum compares its
   * download with Glance's copy only, not with what the publisher states.
   */
  private download(
    name: string,
    url: string,
    checksum: string,
    proxy: ProxySettings | undefined,
  ): pulumi.Output<string> {
    const fetched = new command.local.Command(
      `${name}-download`,
      {
        create: "bash -s",
        stdin: imageDownloadScript(url, checksum, proxy),
        triggers: [url, checksum],
        addPreviousOutputInEnv: false,
      },
      { parent: this },
    );
    return fetched.stdout;
  }
}
