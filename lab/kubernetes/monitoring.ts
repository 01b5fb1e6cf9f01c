/**
 * The programs of the monitoring stack, and the generated code that prometheus-operator's module lacks: its pkg/client is a
 * module of its own that the module proxy does not serve. It is made here as upstream makes it, with Kubernetes'
 * generators from the types of pkg/apis/monitoring.
 * Upstream analogue: target k8s-client-gen of prometheus-operator's Makefile.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { goEnv } from "../prepare/goBuild.ts";
import { run } from "../run.ts";

const operator = "github.com/prometheus-operator/prometheus-operator";
const client = `${operator}/pkg/client`;
const types = ["v1", "v1alpha1", "v1beta1"].map((version) => `${operator}/pkg/apis/monitoring/${version}`);

/** Name of the file → Go package of its main. */
export const monitoringPrograms: Readonly<Record<string, string>> = {
  operator: `${operator}/cmd/operator`,
  "prometheus-config-reloader": `${operator}/cmd/prometheus-config-reloader`,
  node_exporter: "github.com/prometheus/node_exporter",
};

/**
 * Writes prometheus-operator's client into `client/`, where go.mod looks for it.
 * @param folder a copy of lab/kubernetes/monitoring
 */
export async function generateClient(folder: string): Promise<void> {
  const header = join(folder, "header.txt");
  writeFileSync(header, "");
  mkdirSync(join(folder, "client"));
  writeFileSync(join(folder, "client", "go.mod"), `module ${client}\n\ngo 1.26.0\n`);
  const generate = (generator: string, part: string, ...options: string[]) =>
    run(
      "go",
      [
        ...["tool", `k8s.io/code-generator/cmd/${generator}`, "--go-header-file", header],
        ...["--output-pkg", join(client, part), "--output-dir", join(folder, "client", part), ...options],
      ],
      { cwd: folder, env: goEnv() },
    );
  await generate("applyconfiguration-gen", "applyconfiguration", ...types);
  await generate(
    "client-gen",
    "",
    ...["--apply-configuration-package", `${client}/applyconfiguration`, "--clientset-name", "versioned"],
    ...[
      "--input-base",
      `${operator}/pkg/apis`,
      "--input",
      "monitoring/v1,monitoring/v1beta1,monitoring/v1alpha1",
    ],
  );
  await generate("lister-gen", "listers", ...types);
  await generate(
    "informer-gen",
    "informers",
    ...["--versioned-clientset-package", `${client}/versioned`, "--listers-package", `${client}/listers`],
    ...types,
  );
}
