/**
 * Running a command on another machine over SSH.
 * Upstream analogue: provider/pkg/provider/remote/commandOutputs.go.
 */
import type { ClientChannel } from "ssh2";
import type { Connections, Loan } from "./connection.ts";
import { previousOutput, strings } from "./local.ts";
import { type Ending, type Log, type Logging, Output, type Printed, failure } from "./output.ts";
import { type Properties, isMap } from "./values.ts";

/** At its time limit the command gets this long to end by itself before it is killed, in milliseconds. */
const GRACE = 5000;
/** And this long after it was killed for the server to say so. */
const FAREWELL = 1000;

/**
 * Runs `command` on inputs.connection.
 *
 * @param signal ends the command
 * @param dialling ends waiting for the connection
 * @throws Error when there is no connection or the command does not end with 0
 */
export async function runRemote(
  connections: Connections,
  command: string,
  inputs: Properties,
  previous: Printed,
  signal: AbortSignal,
  dialling: AbortSignal,
  log: Log,
): Promise<Printed> {
  const connection = isMap(inputs["connection"]) ? inputs["connection"] : {};
  const loan = await connections.take(connection, dialling, log);
  try {
    const wanted = strings(inputs["environment"]);
    const earlier = previousOutput(inputs, previous);
    const environment = await accepted(loan, wanted, earlier, signal, log);
    const stdin = typeof inputs["stdin"] === "string" ? inputs["stdin"] : "";
    const output = new Output(inputs["logging"] as Logging | undefined, log);
    const ending = await execute(loan, command, environment, stdin, output, signal);
    const printed = output.end();
    if (signal.aborted) throw new Error(`the command on ${loan.where} was stopped`, { cause: signal.reason });
    if (ending.code !== 0) {
      throw failure(` on ${loan.where}`, ending, printed, [
        stdin,
        ...Object.values(wanted),
        ...Object.values(earlier),
        ...Object.values(strings(connection)),
      ]);
    }
    return printed;
  } finally {
    loan.release();
  }
}

/**
 * What of the environment the server lets through (its AcceptEnv). Upstream asks for a reply to each variable; ssh2 sends them
 * without one, so a session of its own looks which arrived. A variable the program asks for must; the earlier output need not.
 */
async function accepted(
  loan: Loan,
  wanted: Record<string, string>,
  earlier: Record<string, string>,
  signal: AbortSignal,
  log: Log,
): Promise<Record<string, string>> {
  const names = [...Object.keys(wanted), ...Object.keys(earlier)];
  if (names.length === 0) return {};
  const odd = names.find((name) => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name));
  if (odd !== undefined) throw new Error(`${JSON.stringify(odd)} is not a name of an environment variable`);
  const output = new Output("none", log);
  // Emptied values: the look needs none of them, and earlier output may be long.
  const empty = Object.fromEntries(names.map((name) => [name, ""]));
  const look = `sh -c 'for n in ${names.join(" ")}; do eval "test -n \\"\\\${$n+x}\\"" && echo $n; done; exit 0'`;
  await execute(loan, look, empty, "", output, signal);
  const arrived = new Set(output.end().stdout.split("\n"));
  const refused = Object.keys(wanted).find((name) => !arrived.has(name));
  const advice = `the SSH server at ${loan.where} must accept it (AcceptEnv); or prefix the command with NAME=value`;
  if (refused !== undefined) throw new Error(`the environment variable ${refused} cannot be set: ${advice}`);
  for (const name of Object.keys(earlier)) {
    if (!arrived.has(name)) log(`${name} is not set for the command: ${advice}`, "warning");
  }
  return Object.fromEntries(Object.entries({ ...wanted, ...earlier }).filter(([name]) => arrived.has(name)));
}

/**
 * The part of ssh2 1.17.0's channel that sends a signal. Its public signal() does nothing once stdin has been closed, which it
 * always is here; the protocol has no such rule.
 */
interface Inside {
  outgoing: { id: number };
  _client: { _protocol: { signal(channel: number, name: string): void } };
}

function execute(
  loan: Loan,
  command: string,
  environment: Record<string, string>,
  stdin: string,
  output: Output,
  signal: AbortSignal,
): Promise<Ending> {
  return new Promise((resolve, reject) => {
    const lost = (): void => {
      finish();
      reject(
        new Error(
          `the connection to ${loan.where} was lost while the command ran; it may have done its work`,
        ),
      );
    };
    let channel: ClientChannel | undefined;
    let last: NodeJS.Timeout | undefined;
    const interrupt = (): void => {
      if (!channel) return;
      const { outgoing, _client: client } = channel as unknown as Inside;
      client._protocol.signal(outgoing.id, "TERM");
      last = setTimeout(() => {
        client._protocol.signal(outgoing.id, "KILL");
        last = setTimeout(() => {
          // OpenSSH passes no signals on in sessions of root (no privilege separation there), and says nothing.
          channel?.close();
          finish();
          reject(new Error(`the command on ${loan.where} was stopped but did not end: it may still run`));
        }, FAREWELL);
      }, GRACE);
    };
    const finish = (): void => {
      clearTimeout(last);
      signal.removeEventListener("abort", interrupt);
      loan.client.removeListener("close", lost);
    };
    loan.client.once("close", lost);
    signal.addEventListener("abort", interrupt, { once: true });
    loan.client.exec(command, { env: environment }, (error, stream) => {
      if (error) {
        finish();
        reject(new Error(`${loan.where} refuses to run a command: ${error.message}`, { cause: error }));
        return;
      }
      channel = stream;
      if (signal.aborted) interrupt();
      const ending: Ending = { code: null, signal: null };
      stream.on("data", (chunk: Buffer) => output.add("stdout", chunk));
      stream.stderr.on("data", (chunk: Buffer) => output.add("stderr", chunk));
      stream.on("exit", (code: number | null, name: string | undefined) => {
        ending.code = code;
        ending.signal = name ?? null;
      });
      stream.on("error", () => undefined);
      stream.on("close", () => {
        finish();
        if (ending.code === null && ending.signal === null && !signal.aborted) lost();
        else resolve(ending);
      });
      stream.end(stdin);
    });
  });
}
