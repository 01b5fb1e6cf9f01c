/**
 * Prometheus, and its promtool for the unit tests of the alert rules.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { moduleVersion } from "../kubernetes/programs.ts";
import { run } from "../run.ts";
import type { Part } from "./cache.ts";

const MODULE = "github.com/prometheus/prometheus";
const VERSION = "v0.316.0";
/** Its release, which is the image's tag: module v0.316.0 is 3.16.0. */
export const prometheusRelease = VERSION.replace(/^v0\.(\d)(\d+)/, "v$1.$2");
/** Without the discovery of thirty clouds, whose libraries are most of what it compiles. */
const TAGS = "remove_all_sd,enable_kubernetes_sd";
/** The lab's other programs have these compiled already. */
const SHARED = ["k8s.io/api", "k8s.io/apimachinery", "k8s.io/client-go"].map(
  (path) => `${path} => ${path} ${moduleVersion(path)}`,
);
const PROGRAMS = ["prometheus", "promtool"] as const;

/** `go install` refuses a module with replace directives: it is built as a dependency of an empty one. */
export function prometheusPart(): Part {
  return {
    name: "prometheus",
    key: JSON.stringify([MODULE, VERSION, TAGS, SHARED]),
    files: [...PROGRAMS],
    async build(dir, note) {
      const options = { cwd: dir, env: { CGO_ENABLED: "0", GOFLAGS: "-mod=mod" }, onLine: note };
      const replace = SHARED.map((line) => `replace ${line}\n`).join("");
      writeFileSync(join(dir, "go.mod"), `module prometheus\n\ngo 1.26.0\n\n${replace}`);
      note(`go get ${MODULE}@${VERSION}`);
      const packages = PROGRAMS.map((name) => `${MODULE}/cmd/${name}`);
      await run("go", ["get", ...packages.map((path) => `${path}@${VERSION}`)], options);
      const flags = ["-tags", TAGS, "-buildvcs=false", "-ldflags=-s -w", "-o", `${dir}/`];
      await run("go", ["build", ...flags, ...packages], options);
    },
  };
}
