/**
 * Shell scripts that run on the seed. Upstream analogue: the command and shell tasks of the azimuth-ops roles.
 *
 * A script is made of files in scripts/ and of variables, and travels by standard input: no argument of any process
 * shows what it holds. scripts/common.sh says what the files may rely on.
 */
import { readFileSync } from "node:fs";

/** A word that a POSIX shell reads back as exactly `value`. */
export function quote(value: string): string {
  return `'${value.replaceAll("'", String.raw`'\''`)}'`;
}

export type Variable = string | number | boolean | readonly string[];

/** A shell assignment: lists become arrays, true becomes `true`. */
export function assignment(name: string, value: Variable): string {
  if (!/^[A-Z][A-Z0-9_]*$/.test(name)) throw new Error(`${JSON.stringify(name)} is not a variable's name`);
  if (typeof value === "object") return `${name}=(${value.map(quote).join(" ")})`;
  return `${name}=${quote(String(value))}`;
}

/**
 * The functions of files in scripts/, with the variables that they use: what a script is made of.
 *
 * @param files names in scripts/ without .sh, in order, after common.sh
 * @param variables what the files use; undefined values become empty words
 */
export function functions(
  files: readonly string[],
  variables: Readonly<Record<string, Variable | undefined>>,
): string {
  const assignments = Object.entries(variables).map(([name, value]) => assignment(name, value ?? ""));
  return [...assignments, ...["common", ...files].map(scriptFile)].join("\n");
}

/** A file of scripts/ without its comments: in the state, which holds every script twice, they are a third of it. */
export function scriptFile(name: string): string {
  const text = readFileSync(new URL(`scripts/${name}.sh`, import.meta.url), "utf8");
  return text.replaceAll(/^[ \t]*#.*\n/gm, "").trimEnd();
}

/**
 * A script for `bash -s -- <action>`, where the action is create, update or delete: the last of the files defines
 * on_create and, where they are more than the default, on_update and on_delete.
 */
export function script(
  files: readonly string[],
  variables: Readonly<Record<string, Variable | undefined>>,
): string {
  return enclosed([functions(files, variables), "exec < /dev/null", '"on_$1"']);
}

/**
 * Braces make bash read all of it before it runs the first line: no command of it can then eat the rest of the
 * script, which is on the same standard input.
 */
export function enclosed(lines: readonly string[]): string {
  return ["{", ...lines, "exit 0", "}", ""].join("\n");
}

/** A script with one more variable in front. */
export function withVariable(text: string, name: string, value: Variable): string {
  return text.replace(/^\{\n/, () => `{\n${assignment(name, value)}\n`);
}
