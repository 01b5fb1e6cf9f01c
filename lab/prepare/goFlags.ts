/**
 * How every Go program of the lab is compiled. One set of flags: what a package is compiled with is part of its key in Go's cache,
 * so another set compiles the packages that programs share once more.
 */

/**
 * Environment of `go`: static, and without DWARF, which is an eighth of the compiler's time and which the linker drops anyway.
 * @param modules `readonly`: go.mod is complete; `mod`: go may complete it.
 */
export const goEnv = (modules: "readonly" | "mod" = "readonly"): Record<string, string> => ({
  CGO_ENABLED: "0",
  GOFLAGS: `-mod=${modules} -buildvcs=false -gcflags=all=-dwarf=false`,
});

/** Arguments of the linker: no symbol table, which is a third of a program, and the versions programs tell. */
export const linkerFlags = (values: Readonly<Record<string, string>> = {}): string =>
  ["-s", "-w", ...Object.entries(values).flatMap(([name, value]) => ["-X", `${name}=${value}`])].join(" ");
