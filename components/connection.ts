/**
 * How the program reaches the seed: the SSH connection, and scripts that run over it. Upstream analogue: Ansible's
 * connection to the seed host.
 */
import { createHash } from "node:crypto";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { secondsOf } from "../config/units.ts";
import { withVariable } from "../lib/shell.ts";

export type Connection = command.types.input.remote.ConnectionArgs;

export interface ConnectionArgs {
  /** Address of the seed as the runner reaches it. */
  readonly host: pulumi.Input<string>;
  readonly user: string;
  /** Private key to log in with. Secret. */
  readonly privateKey: pulumi.Input<string>;
  /** The only host key that is accepted, as in known_hosts. */
  readonly hostKey: pulumi.Input<string>;
  /** How long the seed may take to answer, as a duration. */
  readonly timeout: string;
}

/** pulumi-command waits at most this long between two dials (pulumi SDK, retry.DefaultMaxDelay). */
const DIAL_PAUSE_SECONDS = 5;

/** Port 22 without an answer, not a refusal, costs this much of the time. */
const DIAL_TIMEOUT_SECONDS = 10;

/**
 * The connection, secret as a whole. It is one value and not a map of values: with only some fields unknown, an
 * error in a preview would print the others, the key among them (pulumi-command #773).
 */
export function seedConnection(args: ConnectionArgs): pulumi.Output<Connection> {
  const seconds = secondsOf(args.timeout);
  return pulumi.secret(
    pulumi.all([args.host, args.privateKey, args.hostKey]).apply(([host, privateKey, hostKey]) => ({
      host,
      user: args.user,
      privateKey,
      hostKey,
      perDialTimeout: DIAL_TIMEOUT_SECONDS,
      dialErrorLimit: Math.ceil(seconds / DIAL_PAUSE_SECONDS),
    })),
  );
}

export interface SeedScriptArgs {
  readonly connection: pulumi.Input<Connection>;
  /** Script for `bash -s -- create|update|delete`, from lib/shell.ts. */
  readonly script: pulumi.Input<string>;
  /** True if standard output is a secret: then nothing is logged. Default: false. */
  readonly secretOutput?: boolean;
  /** True if the script has something to do when the resource goes. Default: false. */
  readonly hasDelete?: boolean;
  /** Values whose change runs the script again, as an update. */
  readonly runAgainOn: readonly pulumi.Input<string | number>[];
}

/**
 * A script on the seed, as root. It travels by standard input, so that no process list shows what it holds.
 *
 * What makes it run again is part of the script and not of `triggers`: their change replaces the Command, also where
 * `update` is given, and the old one's delete would run after the new one's create: k3s would be stopped after its
 * upgrade. See docs/decisions.
 */
export function seedScript(
  name: string,
  args: SeedScriptArgs,
  opts: pulumi.CustomResourceOptions,
): command.remote.Command {
  const secret = args.secretOutput === true;
  const run = (action: string) => `sudo -n bash -s -- ${action}`;
  return new command.remote.Command(
    name,
    {
      connection: args.connection,
      create: run("create"),
      update: run("update"),
      ...(args.hasDelete === true ? { delete: run("delete") } : {}),
      stdin: pulumi
        .all([args.script, pulumi.all([...args.runAgainOn])])
        .apply(([script, values]) => withVariable(script, "RUN_AGAIN_ON", values.map(String))),
      // sshd accepts no such variables, and a secret output has no business in an environment.
      addPreviousOutputInEnv: false,
      logging: secret ? command.remote.Logging.None : command.remote.Logging.Stderr,
    },
    { ...opts, ...(secret ? { additionalSecretOutputs: ["stdout", "stderr"] } : {}) },
  );
}

/** Short, and the same for the same text: for `runAgainOn`, where the text itself would be in the state again. */
export function fingerprint(text: pulumi.Input<string>): pulumi.Output<string> {
  return pulumi.output(text).apply((known) => createHash("sha256").update(known).digest("hex"));
}
