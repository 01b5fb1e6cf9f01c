/**
 * The HA cluster's kubeconfig in the home of the seed's user. Upstream analogue: the last tasks of azimuth-ops role
 * capi_cluster.
 */
import * as pulumi from "@pulumi/pulumi";
import { seedAccessScript } from "../lib/cluster-scripts.ts";
import { CLUSTER_NAMESPACE } from "../lib/names.ts";
import { type Connection, fingerprint, seedScript } from "./connection.ts";

export interface SeedAccessArgs {
  readonly connection: pulumi.Input<Connection>;
  /** The seed: another one gets the file too. */
  readonly serverId: pulumi.Input<string>;
  readonly user: string;
  /** Name of the file in the user's home. */
  readonly fileName: string;
  /** Name of the HA cluster, whose kubeconfig Cluster API keeps on k3s. */
  readonly clusterName: string;
  /** The kubeconfig: when it changes the file is written anew. Secret. */
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
        script: seedAccessScript({
          cluster: args.clusterName,
          namespace: CLUSTER_NAMESPACE,
          user: args.user,
          fileName: args.fileName,
        }),
        // No secret: the kubeconfig's key alone has more entropy than the sum.
        runAgainOn: [args.serverId, pulumi.unsecret(fingerprint(args.kubeconfig))],
        hasDelete: true,
      },
      { parent: this },
    );
    this.path = pulumi.unsecret(file.stdout);
    this.registerOutputs({ path: this.path });
  }
}
