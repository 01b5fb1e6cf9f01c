/**
 * The file of a new site: the four values that have no default, what a site is asked for besides, and secrets
 * encrypted with the stack's passphrase. Pure but for the encryption it is given. Upstream analogue: copying
 * environments/capi-mgmt-example of azimuth-config by hand.
 */
import { stringify } from "yaml";
import { parseStackFile, stackFileName } from "./stackFile.ts";
import { readLayers } from "./layers.ts";
import { loadConfig, type LoadInput } from "./load.ts";
import type { Problem } from "./problems.ts";

/** What a new site is asked for. Lists may be empty, everything optional absent. */
export interface NewSite {
  readonly name: string;
  /** Layers of config/layers, for example `production`. */
  readonly layers: readonly string[];
  readonly externalNetworkId: string;
  readonly seedFlavor: string;
  readonly controlPlaneFlavor: string;
  readonly workerFlavor: string;
  /** Networks that may reach SSH and the Kubernetes APIs. Empty: the default of config/defaults.yaml. */
  readonly allowedCidrs: readonly string[];
  /** Entry of clouds.yaml. Default: `openstack`. */
  readonly cloud?: string | undefined;
  /** Mirror of every download, for a site without internet. */
  readonly mirrorUrl?: string | undefined;
  /** The node image to upload and its Kubernetes version. Default: those of config/defaults.yaml. */
  readonly nodeImage?: SiteNodeImage | undefined;
  /** Slack's webhook. Secret. */
  readonly slackWebhookUrl?: string | undefined;
}

/** A node image as section `cluster` has it. */
export interface SiteNodeImage {
  /** With v. */
  readonly kubernetesVersion: string;
  /** Where it is and its checksum: algorithm, colon, hexadecimal digits. */
  readonly image: { readonly url: string; readonly checksum: string };
}

/** Encrypts values as Pulumi's passphrase provider does. */
export interface Encryption {
  /** For the file's `encryptionsalt`. */
  readonly salt: string;
  encrypt(plaintext: string): string;
}

/**
 * The text of Pulumi.<name>.yaml. Without `encryption` the site must have no secret.
 *
 * With it the file has its `encryptionsalt`, and `pulumi stack init` leaves the file as it is.
 */
export function newSiteFile(site: NewSite, encryption?: Encryption): string {
  const { allowedCidrs, slackWebhookUrl } = site;
  if (slackWebhookUrl !== undefined && encryption === undefined) {
    throw new Error("a secret without encryption: give a passphrase");
  }
  const restricted = allowedCidrs.length > 0;
  const config: Record<string, unknown> = {
    "pulumi:disable-default-providers": ["kubernetes", "openstack"],
    "capi-mgmt:layers": [...site.layers],
    ...(site.cloud === undefined ? {} : { "capi-mgmt:openstack": { cloud: site.cloud } }),
    ...(site.mirrorUrl === undefined ? {} : { "capi-mgmt:mirror": { url: site.mirrorUrl } }),
    "capi-mgmt:seed": {
      flavor: site.seedFlavor,
      network: { externalNetworkId: site.externalNetworkId },
      ...(restricted ? { access: { allowedCidrs: { ssh: [...allowedCidrs], api: [...allowedCidrs] } } } : {}),
    },
    "capi-mgmt:cluster": {
      ...site.nodeImage,
      controlPlane: { flavor: site.controlPlaneFlavor },
      workers: { flavor: site.workerFlavor },
      ...(restricted ? { apiServer: { allowedCidrs: [...allowedCidrs] } } : {}),
    },
    ...(slackWebhookUrl === undefined || encryption === undefined
      ? {}
      : {
          "capi-mgmt:monitoring": { slack: { webhookUrl: { secure: encryption.encrypt(slackWebhookUrl) } } },
        }),
  };
  const file = { ...(encryption === undefined ? {} : { encryptionsalt: encryption.salt }), config };
  const header = `# Site ${site.name}. Every other setting has a default: npm run config -- ${site.name} shows all and where each came from.\n`;
  return header + stringify(file, { aliasDuplicateObjects: false, lineWidth: 0 });
}

/**
 * Every problem a new site would have, as a deployment would report them.
 *
 * Secrets are judged before they are encrypted.
 */
export function newSiteProblems(site: NewSite): Problem[] {
  const input = newSiteInput(site);
  return [...input.fileProblems, ...loadConfig(input).problems];
}

/** What a new site would be loaded from, its secrets in plain text. */
export function newSiteInput(site: NewSite): LoadInput & { readonly fileProblems: Problem[] } {
  const plain = newSiteFile({ ...site, slackWebhookUrl: undefined });
  const file = parseStackFile(stackFileName(site.name), plain);
  const values = { ...file.values };
  if (site.slackWebhookUrl !== undefined)
    values["monitoring"] = { slack: { webhookUrl: site.slackWebhookUrl } };
  return {
    ...readLayers(),
    stack: { name: file.name, values },
    encryptedPaths: new Set(["monitoring.slack.webhookUrl"]),
    fileProblems: file.problems,
  };
}
