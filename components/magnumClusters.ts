/**
 * A guard of Magnum's clusters, on whichever cluster they are made from. Upstream analogue: none.
 */
import * as pulumi from "@pulumi/pulumi";
import { magnumClustersScript } from "../lib/cluster-scripts.ts";
import { CLUSTER_NAMESPACE } from "../lib/names.ts";
import { type Connection, seedScript } from "./connection.ts";

export interface MagnumClustersArgs {
  readonly connection: pulumi.Input<Connection>;
  /** Path of the kubeconfig of Magnum's cluster on the seed. Default: Magnum's cluster is k3s on the seed itself. */
  readonly kubeconfigFile?: pulumi.Input<string>;
  /** Name that the site's own cluster has or would have: not one of Magnum's. */
  readonly clusterName: string;
  /** What Magnum's clusters need, and whatever else must not go if they are still there. It goes after this. */
  readonly needed: readonly pulumi.Resource[];
}

/**
 * Refuses to go while there are clusters of Magnum's: on a destroy, or a change of `cluster.enabled`. What is named in `needed` is then
 * as it was.
 */
export class MagnumClusters extends pulumi.ComponentResource {
  constructor(name: string, args: MagnumClustersArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("capi-mgmt:index:MagnumClusters", name, {}, opts);
    const { clusterName: cluster } = args;
    seedScript(
      `${name}-guard`,
      {
        connection: args.connection,
        script: pulumi
          .output(args.kubeconfigFile)
          .apply((kubeconfigFile) =>
            magnumClustersScript({ cluster, namespace: CLUSTER_NAMESPACE, kubeconfigFile }),
          ),
        runAgainOn: [],
        hasDelete: true,
      },
      { parent: this, dependsOn: [...args.needed] },
    );
    this.registerOutputs({});
  }
}
