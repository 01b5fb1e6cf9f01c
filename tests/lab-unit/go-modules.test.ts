/**
 * What programs of several go.mods need is one version, so that Go compiles it once: without, a cold lab compiles a quarter more
 * (docs/lab-programs.md). Does not prove that Go shares it: one package below that differs is enough.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { moduleVersion, veleroDir } from "../../lab/kubernetes/programs.ts";
import { projectDir } from "../../lab/site.ts";

const lab = join(projectDir, "lab");
/** Folders of the programs that `prepare` builds, but for what only a test builds and what is below a foreign module path. */
const folders = readdirSync(lab, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith("go.mod") && !/(^|\/)(sdk|cert-manager)\//.test(file))
  .map((file) => join(lab, dirname(file)))
  .filter((folder) => folder !== veleroDir)
  .toSorted();

/** Undefined where nothing needs it. */
function versionIn(folder: string, module: string): string | undefined {
  try {
    return moduleVersion(module, folder);
  } catch {
    return undefined;
  }
}

test("every go.mod of the lab's programs is compared", () => {
  assert.deepEqual(
    folders.map((folder) => folder.slice(lab.length + 1)),
    [
      ...["kubernetes", "kubernetes/capo", "kubernetes/monitoring"],
      ...["modules/alertmanager", "modules/helm", "modules/prometheus", "modules/versitygw", "pulumi"],
    ],
  );
});

for (const module of [
  ...[
    "golang.org/x/crypto",
    "golang.org/x/net",
    "golang.org/x/sys",
    "golang.org/x/text",
    "golang.org/x/oauth2",
  ],
  ...[
    "google.golang.org/grpc",
    "google.golang.org/protobuf",
    "go.opentelemetry.io/otel",
    "go.yaml.in/yaml/v3",
  ],
  ...["github.com/prometheus/client_golang", "github.com/prometheus/common", "github.com/klauspost/compress"],
]) {
  test(`${module} is one version in all of them`, () => {
    const found = folders.flatMap((folder) => versionIn(folder, module) ?? []);
    assert.ok(found.length > 2, `only ${found.length} need it`);
    assert.equal(new Set(found).size, 1, found.join(" "));
  });
}

test("Pulumi's Kubernetes provider has the libraries of CAPO", () => {
  const capo = join(lab, "kubernetes", "capo");
  for (const module of ["k8s.io/api", "k8s.io/apimachinery", "k8s.io/client-go", "k8s.io/kube-openapi"]) {
    assert.equal(moduleVersion(module, join(lab, "pulumi")), moduleVersion(module, capo), module);
  }
});
