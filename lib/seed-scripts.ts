/**
 * The scripts that prepare the seed itself. Upstream analogue: azimuth-ops role infra after the machine is up.
 */
import { secondsOf } from "../config/units.ts";
import { firstScript, script } from "./shell.ts";

/** Waits for the end of the first boot and writes the further login keys. */
export function seedReadyScript(args: {
  readonly user: string;
  readonly authorizedKeys: readonly string[];
  readonly timeout: string;
}): string {
  return firstScript(["seed-ready"], {
    SEED_USER: args.user,
    AUTHORIZED_KEYS: args.authorizedKeys,
    READY_SECONDS: secondsOf(args.timeout),
  });
}

/** Makes k3s the default cluster on the seed and prints its kubeconfig with the address given. */
export function k3sKubeconfigScript(args: {
  readonly user: string;
  /** Name of cluster, context and user in the kubeconfig. */
  readonly clusterName: string;
  /** https://<address>:<port> by which the seed is reached from outside. */
  readonly server: string;
}): string {
  return script(["k3s-kubeconfig"], {
    SEED_USER: args.user,
    CLUSTER_NAME: args.clusterName,
    API_SERVER: args.server,
  });
}
