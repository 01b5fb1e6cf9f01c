/**
 * `npm run lab -- env`: shell exports with which openstack, kubectl, helm, the AWS CLI and the real pulumi work against the lab.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Artifacts } from "./prepare/artifacts.ts";
import { stackEnvironment } from "./stack.ts";
import { stateDir } from "./site.ts";

/** A shell word that stays itself whatever it holds. */
export const shellQuote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** Folder with the lab's tools, and only these: the Python environment's own bin would also bring its python and pip. */
function toolFolder(artifacts: Artifacts): string {
  const bin = join(stateDir, "bin");
  mkdirSync(bin, { recursive: true });
  const tools: Record<string, string> = {
    openstack: join(artifacts.python, "bin", "openstack"),
    helm: artifacts.helm,
    alertmanager: artifacts.alertmanager,
    versitygw: artifacts.versitygw,
    k3s: artifacts.k3s,
    // built into the same binary and chosen by its name
    kubectl: artifacts.k3s,
  };
  for (const [name, target] of Object.entries(tools)) {
    const link = join(bin, name);
    rmSync(link, { force: true });
    symlinkSync(target, link);
  }
  return bin;
}

/** Lines for `eval "$(npm run --silent lab -- env)"`. */
export function exportsFor(artifacts: Artifacts): string {
  const variables = { ...stackEnvironment(artifacts.helm) };
  const kubeconfig = newestKubeconfig();
  const lines = Object.entries(variables).map(([name, value]) => `export ${name}=${shellQuote(value)}`);
  if (kubeconfig) lines.push(`export KUBECONFIG=${shellQuote(kubeconfig)}`);
  lines.push(`export PATH=${shellQuote(toolFolder(artifacts))}:"$PATH"`);
  return `${lines.join("\n")}\n`;
}

/** Where `kubeconfig` outputs are kept after a deployment: .lab/kubeconfigs/<stack>.yaml. */
export const kubeconfigFile = (stack: string): string => join(stateDir, "kubeconfigs", `${stack}.yaml`);

function newestKubeconfig(): string | undefined {
  const folder = dirname(kubeconfigFile("lab"));
  if (existsSync(kubeconfigFile("lab"))) return kubeconfigFile("lab");
  if (!existsSync(folder)) return undefined;
  const [first] = readdirSync(folder).filter((name) => name.endsWith(".yaml"));
  return first ? join(folder, first) : undefined;
}
