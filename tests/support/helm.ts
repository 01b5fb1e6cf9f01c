/**
 * The lab's charts, rendered by the real helm of the lab's cache.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { parseAllDocuments } from "yaml";
import { buildTool } from "../../lab/prepare/goTools.ts";
import { run } from "../../lab/run.ts";
import { projectDir } from "../../lab/site.ts";

/** What tests look at in a rendered object. */
export interface KubernetesObject {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly data?: Readonly<Record<string, string>>;
  readonly stringData?: Readonly<Record<string, string>>;
  readonly spec?: Readonly<Record<string, unknown>>;
}

const folder = mkdtempSync(join(tmpdir(), "capi-mgmt-charts-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

/**
 * Renders a chart of lab/charts; of several files' worth of values the last one wins. Rejects with what helm says, such as
 * a value that the chart's schema does not have.
 *
 * @param values objects, or texts of YAML
 */
export async function renderedText(
  chart: string,
  release: string,
  namespace: string,
  ...values: readonly (object | string)[]
): Promise<string> {
  const helm = join(await buildTool("helm", () => undefined), "helm");
  const given = values.flatMap((content) => {
    const file = join(folder, `values-${(files += 1)}.yaml`);
    writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
    return ["--values", file];
  });
  const path = join(projectDir, "lab", "charts", chart);
  return (await run(helm, ["template", release, path, "--namespace", namespace, ...given])).stdout;
}

/** The same as objects. */
export async function rendered(...args: Parameters<typeof renderedText>): Promise<KubernetesObject[]> {
  return parseAllDocuments(await renderedText(...args))
    .map((document) => document.toJS() as KubernetesObject | null)
    .filter((object) => object !== null);
}

/**
 * What the chart openstack-cluster gives one of its addons: the chart with its place and values, Cluster API's words about the
 * cluster filled in.
 *
 * @param objects of that chart
 * @param name of the addon, behind the cluster's
 */
export function addonOf(objects: readonly KubernetesObject[], name: string) {
  const of = (kind: string, suffix: string) =>
    objects.find((object) => object.kind === kind && object.metadata.name.endsWith(`-${suffix}`));
  const spec = of("HelmRelease", name)?.spec as
    { chart: { name: string }; targetNamespace: string } | undefined;
  const values = Object.values(of("Secret", `${name}-config`)?.stringData ?? {}).map((text) =>
    text.replace(/\{\{ cluster\.spec\.controlPlaneEndpoint\.(\w+) \}\}/g, (_, field) =>
      field === "port" ? "6443" : "203.0.113.103",
    ),
  );
  return spec === undefined ? undefined : { chart: spec.chart.name, namespace: spec.targetNamespace, values };
}
