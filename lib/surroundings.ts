/**
 * The script that gives controllers of charts what the charts have no value for. Upstream analogue:
 * clusterapi_addon_provider_trust_bundle of azimuth-ops, which holds the public authorities too.
 */
import { secondsOf } from "../config/units.ts";
import { type ProxySettings, proxyVariables } from "./proxy.ts";
import { script } from "./shell.ts";

export interface SurroundingsScriptArgs {
  /** Path of the cluster's kubeconfig on the seed. Default: k3s on the seed itself. */
  readonly kubeconfigFile?: string | undefined;
  /** `<namespace>/<name>` of the Deployments; the first one fetches charts and trusts `caCert`. */
  readonly deployments: readonly [string, ...string[]];
  readonly proxy: ProxySettings | undefined;
  /** Certificates to trust beside the public ones, as PEM. */
  readonly caCert: string | undefined;
  /** How long they may take to be available again, as a duration. */
  readonly timeout: string;
}

/** Gives Deployments a proxy, and the first of them authorities. */
export function surroundingsScript(args: SurroundingsScriptArgs): string {
  const variables = args.proxy === undefined ? {} : proxyVariables(args.proxy);
  return script(["surroundings"], {
    KUBECONFIG_FILE: args.kubeconfigFile,
    DEPLOYMENTS: args.deployments,
    TRUSTING: args.caCert === undefined ? [] : args.deployments.slice(0, 1),
    PROXY_VARIABLES: Object.entries(variables).map(([name, value]) => `${name}=${value}`),
    TRUSTED_CA: args.caCert,
    READY_SECONDS: secondsOf(args.timeout),
  });
}
