/**
 * What Magnum reaches the HA cluster with. Upstream analogue: the service account tasks of azimuth-ops role
 * capi_cluster.
 */
import { Namespace, Secret, ServiceAccount } from "@pulumi/kubernetes/core/v1/index.js";
import { ClusterRoleBinding } from "@pulumi/kubernetes/rbac/v1/index.js";
import * as pulumi from "@pulumi/pulumi";
import type { MagnumConfig } from "../config/schema.ts";
import { accessVerifiedScript } from "../lib/cluster-scripts.ts";
import { kubeconfigExpiry, kubeconfigServer, tokenKubeconfig } from "../lib/kubeconfig.ts";
import { CLUSTER_NAMESPACE } from "../lib/names.ts";
import { type Connection, fingerprint, seedScript } from "./connection.ts";

/** Namespace, service account and role binding, by the name that azimuth-ops gives them. */
const ACCOUNT = "capi-mgmt";

/** An API server may need a moment until it knows a new account; the cluster itself is ready by now. */
const VERIFY_TIMEOUT = "1m";

export interface MagnumAccessArgs {
  readonly connection: pulumi.Input<Connection>;
  /** The seed: another one tries the kubeconfig again. */
  readonly serverId: pulumi.Input<string>;
  /** Name in the kubeconfig. */
  readonly clusterName: string;
  /** Admin kubeconfig of the cluster. Secret. */
  readonly adminKubeconfig: pulumi.Input<string>;
  /** What must be there before the kubeconfig is handed out: the complete cluster. Default: nothing more. */
  readonly cluster?: pulumi.Resource;
  /** Whether the cluster is k3s on the seed. Default: the HA cluster. */
  readonly onK3s?: boolean;
  /** Section `magnum` of the configuration. */
  readonly magnum: Pick<MagnumConfig, "kubeconfig">;
}

/** A kubeconfig with everything inline. */
export class MagnumAccess extends pulumi.ComponentResource {
  /** What Magnum's driver is given, once it has been used from the seed. Secret. */
  readonly kubeconfig: pulumi.Output<string>;
  /** When its certificate ends (ISO 8601); undefined with a token, which ends only when it is revoked. */
  readonly kubeconfigExpiry: pulumi.Output<string | undefined> | undefined;

  constructor(name: string, args: MagnumAccessArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("capi-mgmt:index:MagnumAccess", name, {}, opts);
    const { kind, rotation } = args.magnum.kubeconfig;
    const admin = pulumi.secret(args.adminKubeconfig);
    if (kind === "certificate") {
      this.kubeconfig = this.verified(name, args, admin, undefined);
      this.kubeconfigExpiry = pulumi.unsecret(admin.apply(kubeconfigExpiry));
    } else {
      const token = this.token(name, rotation);
      const kubeconfig = pulumi.secret(
        pulumi.all([admin, token.data]).apply(([kubeconfig, data]) =>
          tokenKubeconfig({
            name: args.clusterName,
            server: kubeconfigServer(kubeconfig),
            caCert: decoded(data, "ca.crt"),
            token: decoded(data, "token"),
          }),
        ),
      );
      this.kubeconfig = this.verified(name, args, kubeconfig, token.metadata.name);
      this.kubeconfigExpiry = undefined;
    }
    // Without the kubeconfig: a secret stands in the state once, where it is made (docs/decisions).
    const { kubeconfigExpiry: expiry } = this;
    this.registerOutputs(expiry === undefined ? {} : { kubeconfigExpiry: expiry });
  }

  /**
   * The kubeconfig once the seed has used its like, by the address that Magnum will use. An engine deletes what it
   * replaced after everything else went well: where this fails, the old token stays.
   */
  private verified(
    name: string,
    args: MagnumAccessArgs,
    kubeconfig: pulumi.Output<string>,
    tokenSecret: pulumi.Output<string> | undefined,
  ): pulumi.Output<string> {
    const { connection, serverId, clusterName: cluster } = args;
    const verified = seedScript(
      `${name}-works`,
      {
        connection,
        script: pulumi.output(tokenSecret).apply((secret) =>
          accessVerifiedScript({
            cluster,
            namespace: CLUSTER_NAMESPACE,
            token: secret === undefined ? undefined : { namespace: ACCOUNT, secret },
            timeout: VERIFY_TIMEOUT,
            onK3s: args.onK3s === true,
          }),
        ),
        // No secret: the kubeconfig's token or key alone has more entropy than the sum.
        runAgainOn: [serverId, pulumi.unsecret(fingerprint(kubeconfig))],
      },
      { parent: this, dependsOn: args.cluster ?? [] },
    );
    return pulumi.all([kubeconfig, verified.stdout]).apply(([text]) => text);
  }

  /**
   * The token's secret. Its name holds the rotation: a change makes the new one, which must fill before anything
   * else happens, and only then deletes the old one, which revokes it.
   */
  private token(name: string, rotation: number): Secret {
    const child = { parent: this };
    const namespace = new Namespace(`${name}-namespace`, { metadata: { name: ACCOUNT } }, child);
    const account = new ServiceAccount(
      `${name}-account`,
      { metadata: { name: ACCOUNT, namespace: namespace.metadata.name } },
      child,
    );
    // Nothing less would do: the driver installs the chart openstack-cluster, which makes roles and bindings, and
    // who may make those can give itself everything.
    const binding = new ClusterRoleBinding(
      `${name}-binding`,
      {
        metadata: { name: ACCOUNT },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
        subjects: [
          { kind: "ServiceAccount", name: account.metadata.name, namespace: account.metadata.namespace },
        ],
      },
      child,
    );
    const token = new Secret(
      `${name}-token`,
      {
        metadata: {
          name: `${ACCOUNT}-service-account-${rotation}`,
          namespace: namespace.metadata.name,
          annotations: {
            "kubernetes.io/service-account.name": account.metadata.name,
            "pulumi.com/waitFor": "jsonpath={.data.token}",
          },
        },
        type: "kubernetes.io/service-account-token",
      },
      // A token that is handed out must be allowed to do something.
      { parent: this, dependsOn: [binding] },
    );
    return token;
  }
}

function decoded(data: Record<string, string>, key: string): string {
  const value = data[key];
  if (value === undefined) throw new Error(`the token's secret has no ${key}`);
  return Buffer.from(value, "base64").toString("utf8");
}
