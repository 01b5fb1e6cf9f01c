/**
 * Shell scripts that run on the seed. Upstream analogue: the command and shell tasks of the azimuth-ops roles.
 *
 * A script is made of files in scripts/ and of variables, and travels by standard input: no argument of any process
 * shows what it holds. scripts/common.sh says what the files may rely on.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname } from "node:path";

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

export type Variables = Readonly<Record<string, Variable | undefined>>;

function assignments(variables: Variables): string[] {
  return Object.entries(variables).map(([name, value]) => assignment(name, value ?? ""));
}

/** What several scripts use. It lies on the seed once: in every script it would be a quarter of the state. */
const LIBRARY = [
  ...["common", "download", "cluster", "cluster-failure", "cluster-conditions"],
  ...["manifests", "stored-versions", "controllers"],
];

/**
 * The functions of files in scripts/, with the variables that they use and the library: what runs on the seed.
 *
 * @param files names in scripts/ without .sh, in order, after the library
 * @param variables what the files use; undefined values become empty words
 */
export function functions(files: readonly string[], variables: Variables): string {
  return [...assignments(variables), ...[...LIBRARY, ...files].map(scriptFile)].join("\n");
}

interface Library {
  readonly content: string;
  /** On the seed. It tells the content: what a script was written for stays beside what later ones use. */
  readonly path: string;
}

let library: Library | undefined;

/** The library, read once: a program asks for it a dozen times. */
function seedLibrary(): Library {
  if (library === undefined) {
    const content = `${LIBRARY.map(scriptFile).join("\n")}\n`;
    const sum = createHash("sha256").update(content).digest("hex").slice(0, 12);
    library = { content, path: `/usr/local/lib/capi-mgmt/${sum}.sh` };
  }
  return library;
}

/** A file of scripts/ without its comments: in the state, which holds every script twice, they are a third of it. */
export function scriptFile(name: string): string {
  const text = readFileSync(new URL(`scripts/${name}.sh`, import.meta.url), "utf8");
  return text.replaceAll(/^[ \t]*#.*\n/gm, "").trimEnd();
}

/**
 * A script for `bash -s -- <action>`, where the action is create, update or delete: the last of the files defines
 * on_create and, where they are more than the default, on_update and on_delete. It needs the library on the seed.
 */
export function script(files: readonly string[], variables: Variables): string {
  const { path } = seedLibrary();
  return acting(
    [`. ${path} || { echo 'error: no library: replace seed-ready' >&2; exit 70; }`],
    files,
    variables,
  );
}

/** The same, but it puts the library on the seed: the first script that runs there. */
export function firstScript(files: readonly string[], variables: Variables): string {
  const { content, path } = seedLibrary();
  const install = [
    `mkdir -p ${dirname(path)} && cat > ${path}.part << 'end of library' && mv -f ${path}.part ${path} || exit 1`,
    `${content}end of library`,
    `. ${path}`,
  ];
  return acting(install, files, variables);
}

function acting(library: readonly string[], files: readonly string[], variables: Variables): string {
  const own = [...assignments(variables), ...library, ...files.map(scriptFile)];
  return enclosed([...own, "exec < /dev/null", '"on_$1"']);
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
