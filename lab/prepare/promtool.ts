/**
 * Prometheus' promtool, for the unit tests of the alert rules only: `prepare` does not build it.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../run.ts";
import type { Part } from "./cache.ts";

const MODULE = "github.com/prometheus/prometheus";
/** Prometheus 3.5, its release with long-term support. */
const VERSION = "v0.305.0";

/** `go install` refuses a module with replace directives: it is built as a dependency of an empty one. */
export function promtoolPart(): Part {
  return {
    name: "promtool",
    key: `${MODULE}@${VERSION} -trimpath`,
    files: ["promtool"],
    async build(dir, note) {
      const options = { cwd: dir, env: { CGO_ENABLED: "0", GOFLAGS: "-mod=mod" }, onLine: note };
      writeFileSync(join(dir, "go.mod"), `module promtool\n\ngo 1.24\n`);
      note(`go get ${MODULE}/cmd/promtool@${VERSION}`);
      await run("go", ["get", `${MODULE}/cmd/promtool@${VERSION}`], options);
      await run("go", ["build", "-trimpath", "-o", join(dir, "promtool"), `${MODULE}/cmd/promtool`], options);
    },
  };
}
