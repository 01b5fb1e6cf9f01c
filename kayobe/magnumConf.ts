/**
 * Settings for magnum.conf that fit what is deployed. Upstream analogue: magnum_capi_helm/conf.py of
 * magnum-capi-helm 1.4.0, and role magnum of kolla-ansible, which merges kolla/config/magnum.conf into its own.
 */
import { parseRelease } from "../config/versions.ts";
import { type Change, iniValue, setIni } from "./ini.ts";
import { CommandError } from "../lib/command-error.ts";

/** The chart's name in its repository: magnum-capi-helm's default. */
const CHART = "openstack-cluster";

/**
 * VEXXHOST's drivers. They claim the same server type, system and orchestrator as magnum-capi-helm's, and Magnum
 * refuses a template that two drivers claim; kolla-ansible disables them only where there is no kubeconfig.
 */
const CONFLICTING_DRIVERS = [
  "k8s_cluster_api_flatcar",
  "k8s_cluster_api_rockylinux",
  "k8s_cluster_api_ubuntu",
  "k8s_cluster_api_ubuntu_focal",
];

/** First Cluster API (1.x) that no longer serves v1beta1: its versions document, plan #11920. */
const CLUSTER_API_WITHOUT_V1BETA1 = 16;

export interface Deployed {
  /** Version of the chart for tenants' clusters, and its repository. */
  readonly chartVersion: string;
  readonly chartRepository: string;
  /** Version of Cluster API on the management cluster; undefined if the stack does not tell. */
  readonly clusterApi: string | undefined;
}

/**
 * The text of magnum.conf with our settings in it.
 *
 * `api_resources` is not among them: magnum-capi-helm's own paths are Cluster API's v1beta1, which every release in
 * our version table serves.
 *
 * @param text what is there; empty for a new file
 * @throws CommandError if no release of the driver works with the deployed Cluster API
 */
export function mergeMagnumConf(text: string, deployed: Deployed): { text: string; changes: Change[] } {
  const clusterApi = deployed.clusterApi === undefined ? undefined : parseRelease(deployed.clusterApi);
  if (clusterApi !== undefined && (clusterApi.major > 1 || clusterApi.minor >= CLUSTER_API_WITHOUT_V1BETA1)) {
    // Its api_resources would move the paths, but it waits for conditions that v1beta2 does not have.
    throw new CommandError(
      `Cluster API ${deployed.clusterApi ?? ""} no longer serves v1beta1, which magnum-capi-helm 1.4.0 needs: leave magnum.conf to yourself with --no-magnum-conf`,
    );
  }
  return setIni(text, {
    capi_helm: {
      helm_chart_repo: deployed.chartRepository,
      helm_chart_name: CHART,
      default_helm_chart_version: deployed.chartVersion,
    },
    drivers: { disabled_drivers: disabledDrivers(iniValue(text, "drivers", "disabled_drivers")) },
  });
}

/** What is disabled already, in its order, and the conflicting ones. */
function disabledDrivers(existing: string | undefined): string {
  const there = (existing ?? "").split(/[,\n]/).map((name) => name.trim());
  const wanted = CONFLICTING_DRIVERS.filter((name) => !there.includes(name));
  // The operator's own spacing stays where nothing is missing.
  if (existing !== undefined && wanted.length === 0) return existing;
  return [...there.filter((name) => name !== ""), ...wanted].join(",");
}
