/**
 * What a site without the HA cluster has in its place: nothing but a guard of Magnum's clusters on k3s. Upstream analogue:
 * the seed document of azimuth-config, which allows for it in tests.
 */
import * as pulumi from "@pulumi/pulumi";
import { singleNodeScript } from "../lib/cluster-scripts.ts";
import { CLUSTER_NAMESPACE } from "../lib/names.ts";
import { type Connection, seedScript } from "./connection.ts";

export interface SingleNodeArgs {
  readonly connection: pulumi.Input<Connection>;
  /** Name that the site's own cluster has or would have. */
  readonly clusterName: string;
  /** What Magnum's clusters need: Cluster API and Magnum's access. It goes after this. */
  readonly needed: readonly pulumi.Resource[];
}

/** Refuses to go while k3s manages clusters of Magnum's: on a change to HA, or a destroy. */
export class SingleNode extends pulumi.ComponentResource {
  constructor(name: string, args: SingleNodeArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("capi-mgmt:index:SingleNode", name, {}, opts);
    seedScript(
      `${name}-guard`,
      {
        connection: args.connection,
        script: singleNodeScript({ cluster: args.clusterName, namespace: CLUSTER_NAMESPACE }),
        runAgainOn: [],
        hasDelete: true,
      },
      // On delete it comes first: nothing that the clusters need goes before the refusal.
      { parent: this, dependsOn: [...args.needed] },
    );
    this.registerOutputs({});
  }
}
