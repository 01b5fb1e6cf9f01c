/**
 * Ways through the seed: a local port that leads to what only the seed reaches. Upstream analogue: azimuth-config's
 * bin/port-forward and bin/kube-connect.
 *
 * Whatever runs on the seed for it ends when its standard input ends, so nothing stays there, however this process ends.
 */
import { createServer, type AddressInfo } from "node:net";
import { execa } from "execa";
import { CommandError } from "../lib/command-error.ts";
import { sshArguments, type Target } from "../lib/seed-ssh.ts";
import { quote } from "../lib/shell.ts";

/** A seed that is gone is noticed within a minute: without this a tunnel would stand there dead. */
const LIMITS = Object.entries({
  BatchMode: "yes",
  ConnectTimeout: 20,
  ServerAliveInterval: 15,
  ServerAliveCountMax: 3,
  ExitOnForwardFailure: "yes",
}).flatMap(([name, value]) => ["-o", `${name}=${value}`]);

/** Milliseconds for what runs on the seed to end by itself; ssh would wait for open connections without end. */
const PATIENCE = 1000;

/** An open way. */
export interface Tunnel {
  /** On 127.0.0.1. */
  readonly port: number;
  /** Fulfilled with the reason when the way closes, whoever closed it. */
  readonly ended: Promise<string>;
  readonly close: () => Promise<void>;
}

/** A service of a cluster, for kubectl on the seed. */
export interface Service {
  /** Path of the cluster's kubeconfig on the seed, from the home of the seed's user. Default: k3s. */
  readonly kubeconfigFile?: string;
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}

/**
 * A way to an address as the seed sees it.
 *
 * @param folder what keyFolder made for `to`
 * @param port the local port
 * @throws CommandError if the seed or the local port is not to be had
 */
export async function tunnelTo(
  to: Target,
  folder: string,
  destination: { readonly host: string; readonly port: number },
  port: number,
): Promise<Tunnel> {
  const host = destination.host.includes(":") ? `[${destination.host}]` : destination.host;
  const forward = ["-L", `127.0.0.1:${port}:${host}:${destination.port}`];
  const { ended, close } = await running(to, folder, forward, "echo open; exec cat > /dev/null", /^open$/m);
  return { port, ended, close };
}

/**
 * A way to a service of a cluster: kubectl on the seed forwards a port of the seed's loopback, and a tunnel leads there.
 *
 * @throws CommandError if the seed, the service or the local port is not to be had
 */
export async function tunnelToService(
  to: Target,
  folder: string,
  service: Service,
  port: number,
): Promise<Tunnel> {
  const forward = await running(
    to,
    folder,
    [],
    portForwardLine(service),
    /^Forwarding from 127\.0\.0\.1:(\d+) /m,
  );
  try {
    const tunnel = await tunnelTo(to, folder, { host: "127.0.0.1", port: Number(forward.ready[1]) }, port);
    return {
      port,
      ended: Promise.race([tunnel.ended, forward.ended]),
      close: async () => {
        await Promise.all([tunnel.close(), forward.close()]);
      },
    };
  } catch (error) {
    await forward.close();
    throw error;
  }
}

/** A line for the seed's shell: kubectl until it ends or nobody listens any more. */
export function portForwardLine({ kubeconfigFile, namespace, name, port }: Service): string {
  const kubectl = [
    "kubectl",
    ...(kubeconfigFile === undefined ? [] : ["--kubeconfig", kubeconfigFile]),
    ...["--namespace", namespace, "port-forward", "--address", "127.0.0.1", `service/${name}`, `:${port}`],
  ];
  return [
    "exec 3<&0",
    `${kubectl.map(quote).join(" ")} < /dev/null & forward=$!`,
    "{ cat <&3; kill $forward; } > /dev/null 2>&1 &",
    "wait $forward",
  ].join("\n");
}

/** A local port that nothing listens on at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Runs a line on the seed and waits until its output has `ready`. */
async function running(
  to: Target,
  folder: string,
  options: readonly string[],
  line: string,
  ready: RegExp,
): Promise<{ ready: RegExpExecArray; ended: Promise<string>; close: () => Promise<void> }> {
  // A group of its own: Ctrl-C is for us to handle, ssh would only die of it. A long-lived kubectl tells of every
  // connection, which nobody keeps.
  const ssh = execa("ssh", [...LIMITS, ...options, ...sshArguments(to, folder, [line])], {
    detached: true,
    reject: false,
    buffer: { stdout: false },
  });
  const ended = ssh.then(({ code, shortMessage, stderr, exitCode }) => {
    if (code !== undefined && exitCode === undefined) return `ssh cannot be run: ${shortMessage}`;
    return `the seed (${to.address}): ${stderr.trim() || `the connection ended (exit code ${exitCode ?? "none"})`}`;
  });
  const close = async () => {
    ssh.stdin.end();
    const impatient = setTimeout(() => ssh.kill("SIGTERM"), PATIENCE);
    await ended;
    clearTimeout(impatient);
  };
  // Writing to what has ended is no failure of ours.
  ssh.stdin.on("error", () => undefined);
  const found = new Promise<RegExpExecArray>((resolve) => {
    let said = "";
    ssh.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      if (said.length > 10_000) return;
      said += chunk;
      const match = ready.exec(said);
      if (match !== null) resolve(match);
    });
  });
  const first = await Promise.race([found, ended]);
  if (typeof first === "string") throw new CommandError(first);
  return { ready: first, ended, close };
}
