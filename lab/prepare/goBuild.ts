/**
 * How every Go program of the lab is compiled. One set of flags: what a package is compiled with is part of its key in Go's cache,
 * so another set compiles the packages that programs share once more.
 */
import { run } from "../run.ts";

/** What compiled code depends on: static, and without DWARF, which is an eighth of the compiler's time and which the linker drops. */
export const goFlags = {
  CGO_ENABLED: "0",
  GOFLAGS: "-mod=readonly -buildvcs=false -gcflags=all=-dwarf=false",
} as const;

/**
 * Environment of `go`. The compiler waits with its garbage until the heap is five times what it needs, which saves a seventh of its
 * time (crypto/tls, net/http, go/types and what they need: 71 s of processor time before, 61 s with it) and takes some hundred MB.
 */
export const goEnv = (): Record<string, string> => ({ ...goFlags, GOGC: "400" });

/** Arguments of the linker: no symbol table, which is a third of a program, and the versions programs tell. */
export const linkerFlags = (values: Readonly<Record<string, string>>): string =>
  ["-s", "-w", ...Object.entries(values).flatMap(([name, value]) => ["-X", `${name}=${value}`])].join(" ");

const versions = new Map<string, Promise<string>>();

/**
 * Version of Go, asked once a process.
 * @param folder with a go.mod, whose toolchain line counts
 * @param what is built, as the sentence says it that tells that Go is missing
 */
export function goVersion(folder: string, what: string): Promise<string> {
  const asked =
    versions.get(folder) ??
    run("go", ["env", "GOVERSION"], { cwd: folder }).then(
      ({ stdout }) => stdout.trim(),
      (error: unknown) => {
        throw new Error(`${what} built with Go, and \`go\` does not run`, { cause: error });
      },
    );
  versions.set(folder, asked);
  return asked;
}

/**
 * A `go build` that tells how far it is: it names each package it has finished, cached ones not, which is the only progress there
 * is. Builds by the same function count on.
 * @param folder of the go.mod
 */
export function goBuilder(
  folder: string,
  values: Readonly<Record<string, string>>,
  note: (text: string) => void,
) {
  let fetched = 0;
  let compiled = 0;
  return async (out: string, packages: readonly string[], options: readonly string[] = []): Promise<void> => {
    note("compiling");
    const flags = ["-v", "-ldflags", linkerFlags(values), "-o", `${out}/`, ...options];
    await run("go", ["build", ...flags, ...packages], {
      cwd: folder,
      env: goEnv(),
      onLine(line) {
        if (line.startsWith("go: downloading ")) fetched += 1;
        else compiled += 1;
        note(compiled > 0 ? `compiling, ${compiled} packages done` : `fetching, ${fetched} modules done`);
      },
    });
  };
}
