/**
 * The HA cluster's kubeconfig in the home of the seed's user. Upstream analogue: the last tasks of azimuth-ops role
 * capi_cluster.
 */
import * as pulumi from "@pulumi/pulumi";
import { homeFileScript } from "../lib/cluster-scripts.ts";
import { type Connection, seedScript } from "./connection.ts";

export interface SeedAccessArgs {
  readonly connection: pulumi.Input<Connection>;
  /** The seed: another one gets the file too. */
  readonly serverId: pulumi.Input<string>;
  readonly user: string;
  /** Name of the file in the user's home. */
  readonly fileName: string;
  /** Its content. Secret. */
  readonly kubeconfig: pulumi.Input<string>;
}

/** The file, mode 0600, rewritten when the kubeconfig changes. */
export class SeedAccess extends pulumi.ComponentResource {
  /** Path of the file on the seed. */
  readonly path: pulumi.Output<string>;

  constructor(name: string, args: SeedAccessArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("capi-mgmt:index:SeedAccess", name, {}, opts);
    const file = seedScript(
      `${name}-kubeconfig`,
      {
        connection: args.connection,
        script: pulumi
          .secret(args.kubeconfig)
          .apply((content) => homeFileScript({ user: args.user, fileName: args.fileName, content })),
        runAgainOn: [args.serverId],
        hasDelete: true,
      },
      { parent: this },
    );
    this.path = pulumi.unsecret(file.stdout);
    this.registerOutputs({ path: this.path });
  }
}
