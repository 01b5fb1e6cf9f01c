/**
 * Runs functions of lib/scripts with stand-ins for the programs they call, in a folder of their own.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { functions, type Variable } from "../../lib/shell.ts";

export interface ShellRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Calls of the stand-ins, in order: name and arguments. */
  readonly calls: readonly string[];
}

export interface ShellArgs {
  /** Names of files in lib/scripts, without common. */
  readonly files: readonly string[];
  readonly variables?: Readonly<Record<string, Variable>>;
  /** Body of a shell script for each program that is replaced; `exit 1` where nothing should call it. */
  readonly programs?: Readonly<Record<string, string>>;
  /** Folders of the machine, such as /etc/rancher, that are folders below $FOLDER instead. Default: none. */
  readonly instead?: readonly string[];
  /** What to run once the functions are defined; $FOLDER is the run's folder. */
  readonly run: string;
}

/** A folder that is removed with the test. */
export function temporaryFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "capi-mgmt-test-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs shell code after the functions of the files. */
export function runShell(folder: string, args: ShellArgs): ShellRun {
  const bin = join(folder, "bin");
  const log = join(folder, "calls");
  mkdirSync(bin, { recursive: true });
  writeFileSync(log, "");
  for (const [name, body] of Object.entries(args.programs ?? {})) {
    writeFileSync(join(bin, name), `#!/bin/bash\necho "${name} $*" >> ${log}\n${body}\n`, { mode: 0o755 });
  }
  const code = (args.instead ?? []).reduce(
    (text, path) => text.replaceAll(path, join(folder, path)),
    functions(args.files, args.variables ?? {}),
  );
  const text = `FOLDER=${folder}\n${code}\n${args.run}\n`;
  const result = spawnSync("bash", ["-s"], {
    input: text,
    encoding: "utf8",
    env: { PATH: `${bin}:${process.env["PATH"]}`, HOME: folder },
  });
  const calls = readFileSync(log, "utf8")
    .split("\n")
    .filter((line) => line !== "");
  return { code: result.status, stdout: result.stdout, stderr: result.stderr, calls };
}
