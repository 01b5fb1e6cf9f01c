/**
 * `npm run lab -- env`: shell exports with which openstack, kubectl, helm, the AWS CLI and the real pulumi work against the lab.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { installPulumi, pulumiHome } from "./pulumi/install.ts";
import { type Artifacts, siteArtifacts } from "./prepare/artifacts.ts";
import { loadSecrets, writePrivate } from "./services/secrets.ts";
import { addresses, bucket, cacheDir, paths, ports, stateDir } from "./site.ts";

/** State as on a real site: S3, here the lab's gateway. */
const backendUrl =
  `s3://${bucket}?endpoint=http://${addresses.services}:${ports.s3}` +
  "&s3ForcePathStyle=true&region=us-east-1";

/** Folder of the lab's tools: first on the PATH of whatever runs against the lab. */
const toolFolder = join(stateDir, "bin");

/** Environment of the program and of whatever runs against the lab, without PATH. */
function variables(): Record<string, string> {
  const secrets = loadSecrets();
  const { helm, pulumi } = siteArtifacts();
  return {
    OS_CLIENT_CONFIG_FILE: paths.clouds,
    OS_CLOUD: "openstack",
    CAPI_MGMT_HELM: helm,
    CAPI_MGMT_NODE: process.execPath,
    // As bin/node.sh, for a pulumi that is typed by hand and its plugins.
    NODE_COMPILE_CACHE: join(cacheDir, "node-compile"),
    AWS_ACCESS_KEY_ID: secrets.s3AccessKey,
    AWS_SECRET_ACCESS_KEY: secrets.s3SecretKey,
    AWS_REGION: "us-east-1",
    AWS_ENDPOINT_URL_S3: `http://${addresses.services}:${ports.s3}`,
    PULUMI_BACKEND_URL: backendUrl,
    PULUMI_CONFIG_PASSPHRASE_FILE: paths.passphrase,
    // Half the bytes for each of the many times that a deployment writes its state.
    PULUMI_DIY_BACKEND_GZIP: "true",
    PULUMI_SKIP_UPDATE_CHECK: "true",
    ...(pulumi.origin === "machine" ? {} : { PULUMI_HOME: pulumiHome }),
  };
}

/** The same with a PATH that has the lab's tools first. */
export function stackEnvironment(): Record<string, string> {
  return { ...variables(), PATH: `${toolFolder}${delimiter}${process.env["PATH"] ?? ""}` };
}

/** A shell word that stays itself whatever it holds. */
export const shellQuote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** Links the lab's tools, and only these: the Python environment's own bin would also bring its python and pip. */
export function installTools(artifacts: Artifacts): void {
  mkdirSync(toolFolder, { recursive: true });
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
    const link = join(toolFolder, name);
    rmSync(link, { force: true });
    symlinkSync(target, link);
  }
  installPulumi(artifacts.pulumi, toolFolder);
}

/** Keeps the environment for commands of bin/ on stack `lab`, which do not import the lab. */
export function keepEnvironment(): void {
  const kept = { path: toolFolder, variables: variables() };
  writePrivate(join(stateDir, "environment.json"), `${JSON.stringify(kept, null, 2)}\n`);
}

/** Lines for `eval "$(npm run --silent lab -- env)"`. */
export function exportsFor(): string {
  const kubeconfig = newestKubeconfig();
  const lines = Object.entries(variables()).map(([name, value]) => `export ${name}=${shellQuote(value)}`);
  if (kubeconfig) lines.push(`export KUBECONFIG=${shellQuote(kubeconfig)}`);
  lines.push(`export PATH=${shellQuote(toolFolder)}:"$PATH"`);
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
