/**
 * `bin/connect STACK [TARGET]`: a local port that leads to a cluster's API or to the monitoring, through the seed.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CommandError, EXIT } from "../lib/command-error.ts";
import { K3S_API_PORT } from "../lib/k3s.ts";
import { kubeconfigServer, kubeconfigThrough } from "../lib/kubeconfig.ts";
import { siteNames } from "../lib/names.ts";
import { type Outputs, textOutput } from "../lib/outputs.ts";
import { keyFolder, seedTarget } from "../lib/seed-ssh.ts";
import { isMonitoringService, monitoringService, MONITORING_NAMESPACE } from "../operate/services.ts";
import { freePort, tunnelTo, tunnelToService } from "../operate/tunnel.ts";
import { command, stackSettings, UsageError } from "./kit.ts";
import { readOutputs } from "./stackOutputs.ts";

const TARGETS = ["cluster", "k3s", "grafana", "prometheus", "alertmanager"];

const usage = `Usage: bin/connect STACK [cluster|k3s|grafana|prometheus|alertmanager] [options]

Opens a way to a site through SSH to its seed (and the bastion, if it has one), prints how to use it, and stays until
Ctrl-C. cluster (the default) and k3s: a line that sets KUBECONFIG, for eval or to copy; the file is one that only you
can read, for as long as the way is open. The others: a URL.

  --port PORT     the local port; default: a free one
  --outputs FILE  take the outputs from what pulumi stack output --json --show-secrets printed; - is stdin
  --help

Exit codes: 0 ended by Ctrl-C; 1 it could not be opened, or it broke; 64 wrong usage.
`;

const options = { port: { type: "string" }, outputs: { type: "string" } } as const;

// At once: an ssh that is still connecting is of no use to anyone.
process.exit(
  await command({ name: "bin/connect", usage, options }, async ({ words, values }) => {
    const [stack, target = "cluster", ...more] = words;
    if (stack === undefined) throw new UsageError("which stack?");
    if (!TARGETS.includes(target)) {
      throw new UsageError(`there is no target ${target}: say ${TARGETS.join(", ")}`);
    }
    if (more.length > 0) throw new UsageError(`give one target, not ${[target, ...more].join(" ")}`);
    const port = values.port === undefined ? undefined : portOf(values.port);
    return await connect(stack, target, port, readOutputs(stack, values.outputs));
  }),
);

function portOf(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port >= 1 && port <= 65535) return port;
  throw new UsageError(`--port ${text}: not a port; give a whole number from 1 to 65535`);
}

async function connect(
  stack: string,
  target: string,
  wanted: number | undefined,
  outputs: Outputs,
): Promise<number> {
  const to = seedTarget(stack, outputs);
  // What can be said without the seed comes first.
  const api = isMonitoringService(target) ? undefined : apiOf(stack, target, outputs);
  const service = isMonitoringService(target)
    ? monitoringService(stack, target, await stackSettings(stack))
    : undefined;
  const port = wanted ?? (await freePort());
  const { folder, remove } = keyFolder(to);
  process.on("exit", remove);
  const interrupted = new Promise<undefined>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
      process.on(signal, () => resolve(undefined));
  });
  console.error(`connecting to ${target} of stack ${stack} by the seed (${to.address}) …`);
  const opening =
    service === undefined
      ? tunnelTo(to, folder, api?.destination ?? { host: "", port: 0 }, port)
      : tunnelToService(to, folder, service, port);
  const tunnel = await Promise.race([opening, interrupted]);
  if (tunnel === undefined) return EXIT.ok;
  if (api === undefined) console.log(`http://127.0.0.1:${port}`);
  else {
    const file = join(folder, "kubeconfig");
    writeFileSync(file, kubeconfigThrough(api.kubeconfig, port), { mode: 0o600 });
    console.log(`export KUBECONFIG=${file}`);
    console.error(`https://127.0.0.1:${port} is the API`);
  }
  if (target === "grafana") console.error(`user admin; its password:\n  ${passwordLine(stack)}`);
  console.error("Ctrl-C ends it");
  const reason = await Promise.race([tunnel.ended, interrupted]);
  await tunnel.close();
  if (reason !== undefined) throw new CommandError(`the way is closed: ${reason}`);
  return EXIT.ok;
}

/** A cluster's kubeconfig, and where the seed finds its API. */
function apiOf(stack: string, target: string, outputs: Outputs) {
  const kubeconfig = textOutput(stack, outputs, target === "k3s" ? "k3sKubeconfig" : "haKubeconfig");
  const { hostname, port } = new URL(kubeconfigServer(kubeconfig));
  // Without the HA cluster k3s is the management cluster.
  const isK3s = target === "k3s" || outputs["haKubeconfig"] === outputs["k3sKubeconfig"];
  const destination = isK3s
    ? { host: "127.0.0.1", port: K3S_API_PORT }
    : { host: hostname.replaceAll(/[[\]]/g, ""), port: port === "" ? 443 : Number(port) };
  return { kubeconfig, destination };
}

/** How to read Grafana's password, which nobody else sees then. */
function passwordLine(stack: string): string {
  const kubectl = `kubectl --kubeconfig ${siteNames(stack).kubeconfigFile} --namespace ${MONITORING_NAMESPACE}`;
  const secret =
    "get secret kube-prometheus-stack-grafana --output go-template='{{index .data \"admin-password\" | base64decode}}'";
  return `bin/seed-ssh ${stack} -- ${JSON.stringify(`${kubectl} ${secret}`).replaceAll("$", "\\$")}`;
}
