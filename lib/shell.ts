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
 * A script for `bash -s -- <action>`, where the action is create, update or delete.
 *
 * @param files names in scripts/ without .sh, in order; the last defines the functions that the actions call
 * @param variables what the files use; undefined values become empty words
 */
export function script(files: readonly string[], variables: Record<string, Variable | undefined>): string {
  const assignments = Object.entries(variables).map(([name, value]) => assignment(name, value ?? ""));
  const bodies = ["common", ...files].map((file) =>
    // Comments are for readers here; in the state, which holds every script twice, they would be a third of it.
    readFileSync(new URL(`scripts/${file}.sh`, import.meta.url), "utf8").replaceAll(/^[ \t]*#.*\n/gm, ""),
  );
  // Braces: bash reads all of it before it runs the first line, so that no command of it can eat the rest of the
  // script, which is on the same standard input.
  return [
    "{",
    ...assignments,
    ...bodies.map((body) => body.trimEnd()),
    "exec < /dev/null",
    '"on_$1"',
    "exit 0",
    "}",
    "",
  ].join("\n");
}
