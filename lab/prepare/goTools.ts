/**
 * Programs beside Kubernetes' own, each with a go.mod in lab/modules. What
 * lab/kubernetes compiles too, their go.mod replaces by its versions.
 */
import { join } from "node:path";
import { buildGroup } from "../kubernetes/build.ts";
import { type ProgramGroup, moduleVersion } from "../kubernetes/programs.ts";
import { projectDir } from "../site.ts";

function group(
  name: string,
  programs: ProgramGroup["programs"],
  options: Partial<ProgramGroup> = {},
): ProgramGroup {
  const module = join(projectDir, "lab", "modules", name);
  return { name, module, programs, values: {}, sources: [], ...options };
}

const prometheus = "github.com/prometheus/prometheus";
const alertmanager = "github.com/prometheus/alertmanager";

const tools = {
  helm: group("helm", { helm: "helm.sh/helm/v3/cmd/helm" }),
  prometheus: group(
    "prometheus",
    { prometheus: `${prometheus}/cmd/prometheus`, promtool: `${prometheus}/cmd/promtool` },
    // Without the discovery of thirty clouds, whose libraries are most of what it compiles.
    { tags: "remove_all_sd,enable_kubernetes_sd" },
  ),
  alertmanager: group("alertmanager", { alertmanager: `${alertmanager}/cmd/alertmanager` }),
  versitygw: group("versitygw", { versitygw: "github.com/versity/versitygw/cmd/versitygw" }),
};

/** Its image has this tag, too. */
export const alertmanagerVersion = moduleVersion(alertmanager, tools.alertmanager.module);
/** Prometheus' release, which is its image's tag: module v0.316.0 is 3.16.0. */
export const prometheusRelease = moduleVersion(prometheus, tools.prometheus.module).replace(
  /^v0\.(\d)(\d+)/,
  "v$1.$2",
);

/** The part's folder, with its programs by name. */
export const buildTool = (
  name: keyof typeof tools,
  note: (text: string) => void,
  verify = false,
): Promise<string> => buildGroup(tools[name], note, verify);
