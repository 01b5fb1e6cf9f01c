/**
 * The command resources: what each operation comes to, apart from how the engine asks for it (service.ts).
 * Upstream analogue: the controllers of pulumi-command 1.2.1.
 */
import { randomBytes } from "node:crypto";
import { Connections } from "./connection.ts";
import { LOCAL, REMOTE } from "./inputs.ts";
import { runLocal } from "./local.ts";
import type { Log, Printed } from "./output.ts";
import { runRemote } from "./remote.ts";
import { type Properties, UNKNOWN, type Value, differences } from "./values.ts";

/** One operation on a resource. */
export interface Request {
  readonly type: string;
  /** Shown to the operator with the resource. */
  readonly log: Log;
  /** The program's customTimeouts; 0 is none. */
  readonly timeoutSeconds: number;
}

/** One difference between old and new inputs. */
export interface Difference {
  readonly path: string;
  readonly kind: "add" | "update" | "delete";
  readonly replaces: boolean;
}

/** Runs commands. `cancel` is the engine's: it ends waiting for a server, not a command that runs. */
export class Commands {
  private readonly connections = new Connections();
  private readonly cancelled = new AbortController();

  /**
   * Inputs are compared with inputs. A change is an update; `triggers` given or dropped as a whole needs a new resource, and a
   * changed element of it does through the SDK's replaceOnChanges option ("triggers[*]"), which the engine applies.
   */
  diff(olds: Properties, news: Properties): Difference[] {
    const names = [...new Set([...Object.keys(olds), ...Object.keys(news)])].filter(
      (name) => !name.startsWith("__"),
    );
    return names
      .flatMap((name) => differences(olds[name], news[name], name))
      .map(([path, kind]) => ({ path, kind, replaces: path === "triggers" }));
  }

  /** The outputs that are known before the deployment: the inputs. */
  preview(inputs: Properties): Properties {
    return { ...inputs, stdout: UNKNOWN, stderr: UNKNOWN };
  }

  /** Runs `create`. The id is random, with the resource's name before it. */
  async create(
    request: Request,
    name: string,
    inputs: Properties,
  ): Promise<{ id: string; outputs: Properties }> {
    const printed = await this.run(request, inputs, inputs["create"], { stdout: "", stderr: "" });
    return { id: `${name}${randomBytes(4).toString("hex")}`, outputs: { ...inputs, ...printed } };
  }

  /** Runs `update`, or `create` where there is none. */
  async update(request: Request, olds: Properties, news: Properties): Promise<Properties> {
    const printed = await this.run(request, news, news["update"] ?? news["create"], printedBy(olds));
    return { ...news, ...printed };
  }

  /** Runs `delete`, with the inputs of the last deployment. */
  async delete(request: Request, state: Properties): Promise<void> {
    await this.run(request, state, state["delete"], printedBy(state));
  }

  cancel(): void {
    this.cancelled.abort();
  }

  /** Lets go of the connections, which otherwise keep the process. */
  close(): void {
    this.connections.close();
  }

  /** Without a command nothing runs, and the outputs are those of before. */
  private async run(
    { type, log, timeoutSeconds }: Request,
    inputs: Properties,
    command: Value | undefined,
    previous: Printed,
  ): Promise<Printed> {
    if (typeof command !== "string") return previous;
    const late =
      timeoutSeconds > 0 ? AbortSignal.timeout(timeoutSeconds * 1000) : new AbortController().signal;
    try {
      if (type === LOCAL) return await runLocal(command, inputs, previous, late, log);
      const dialling = AbortSignal.any([late, this.cancelled.signal]);
      return await runRemote(this.connections, command, inputs, previous, late, dialling, log);
    } catch (error) {
      if (!late.aborted) throw error;
      throw new Error(`the command took longer than its time limit of ${timeoutSeconds} s and was stopped`, {
        cause: error,
      });
    }
  }
}

/** @throws Error naming what there is, for a type that this provider does not have */
export function requireType(type: string): void {
  if (type === LOCAL || type === REMOTE) return;
  throw new Error(
    `the lab's stand-in for pulumi-command does not have ${type}; it has ${LOCAL} and ${REMOTE}`,
  );
}

function printedBy(outputs: Properties): Printed {
  const text = (name: string): string => (typeof outputs[name] === "string" ? outputs[name] : "");
  return { stdout: text("stdout"), stderr: text("stderr") };
}
