/**
 * k3s on the seed, with its data on the data volume, and the tools beside it. Upstream analogue: azimuth-ops roles
 * k3s, sysctl_inotify and helm.
 */
import * as pulumi from "@pulumi/pulumi";
import type { Config, K3sConfig, RegistriesConfig, ToolsConfig } from "../config/schema.ts";
import { K3S_API_PORT, k3sScript, toolsScript } from "../lib/k3s.ts";
import { moreToolsScript } from "../lib/more-tools.ts";
import type { ProxySettings } from "../lib/proxy.ts";
import { k3sKubeconfigScript } from "../lib/seed-scripts.ts";
import { type Connection, seedScript } from "./connection.ts";

export interface K3sArgs {
  readonly connection: pulumi.Input<Connection>;
  /** The server: another one is set up anew and finds the data on the volume. */
  readonly serverId: pulumi.Input<string>;
  /** Name of the server, which is in the API's certificate. */
  readonly serverName: string;
  /** User on the server whose kubectl is set up. */
  readonly user: string;
  /** Id of the attached data volume. */
  readonly dataVolumeId: pulumi.Input<string>;
  /** Size of the data volume; the file system follows. */
  readonly dataVolumeGb: number;
  /** Address by which the API is reached from outside. */
  readonly address: pulumi.Input<string>;
  /** Address of the server in its own network, which is in the API's certificate. */
  readonly fixedAddress: pulumi.Input<string>;
  /** Section `k3s` of the configuration. */
  readonly k3s: K3sConfig;
  /** Section `tools` of the configuration. */
  readonly tools: ToolsConfig;
  /** Section `mirror` of the configuration. */
  readonly mirror: Config["mirror"];
  /** Section `registries` of the configuration. Holds secrets. */
  readonly registries: RegistriesConfig;
  /** The way out. Default: directly. */
  readonly proxy?: ProxySettings | undefined;
  /** Section `kubeconfigs` of the configuration: a change reads the kubeconfig anew, for its certificate ends after a year. */
  readonly kubeconfigs: Config["kubeconfigs"];
  /** What comes before anything of it. Default: nothing. */
  readonly needed?: readonly pulumi.Resource[];
}

/** A running k3s. */
export class K3s extends pulumi.ComponentResource {
  /** Kubeconfig with the address given. Secret. */
  readonly kubeconfig: pulumi.Output<string>;

  constructor(name: string, args: K3sArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("capi-mgmt:index:K3s", name, {}, opts);
    const { connection } = args;
    const first = { parent: this, dependsOn: [...(args.needed ?? [])] };
    // Only passwords make the script a secret, which a preview then cannot show.
    const registries =
      Object.keys(args.registries.auth).length === 0 ? args.registries : pulumi.secret(args.registries);
    const mirror = { mirrorUrl: args.mirror.url, mirrorCaCert: args.mirror.caCert };
    const install = seedScript(
      `${name}-install`,
      {
        connection,
        script: pulumi
          .all([args.dataVolumeId, args.address, args.fixedAddress, registries])
          .apply(([volumeId, address, fixedAddress, registries]) =>
            k3sScript({
              version: args.k3s.version,
              sha256: args.k3s.sha256,
              tlsSans: [address, fixedAddress, args.serverName, ...args.k3s.tlsSans],
              secretsEncryption: args.k3s.secretsEncryption,
              extraArgs: args.k3s.extraArgs,
              sysctls: args.k3s.sysctls,
              registryMirrors: args.k3s.registryMirrors,
              registries,
              proxy: args.proxy,
              readyTimeout: args.k3s.timeouts.ready,
              volumeId,
              volumeGb: args.dataVolumeGb,
              ...mirror,
            }),
          ),
        runAgainOn: [args.serverId],
        hasDelete: true,
      },
      first,
    );
    const tools = seedScript(
      `${name}-tools`,
      { connection, script: toolsScript({ ...args.tools, ...mirror }), runAgainOn: [args.serverId] },
      first,
    );
    if (args.tools.install.length > 0) {
      // A resource of its own: kubectl and helm, which others wait for, stay as they are.
      seedScript(
        `${name}-more-tools`,
        {
          connection,
          script: moreToolsScript({ tools: args.tools, ...mirror }),
          runAgainOn: [args.serverId],
          hasDelete: true,
        },
        first,
      );
    }
    const kubeconfig = seedScript(
      `${name}-kubeconfig`,
      {
        connection,
        script: pulumi.output(args.address).apply((address) =>
          k3sKubeconfigScript({
            user: args.user,
            clusterName: args.serverName,
            server: `https://${address}:${K3S_API_PORT}`,
          }),
        ),
        runAgainOn: [args.serverId, args.kubeconfigs.rotation],
        secretOutput: true,
      },
      // The file that it prints is k3s's. And whoever has this kubeconfig may count on kubectl being on the seed.
      { parent: this, dependsOn: [install, tools] },
    );
    this.kubeconfig = pulumi.secret(kubeconfig.stdout);
    // Without the kubeconfig: a secret stands in the state once, where it is made (docs/decisions).
    this.registerOutputs({});
  }
}
