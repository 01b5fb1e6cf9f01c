/**
 * What runs on the seed beside kube-prometheus-stack's release, with stand-ins for kubectl and helm. That an API server
 * lets claims grow and StatefulSets let go of them is shown in the lab.
 */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { monitoringScript } from "../../lib/monitoring-scripts.ts";
import { monitoringValues } from "../../lib/monitoring-values.ts";
import { configOf } from "../support/config.ts";
import { runShell, type ShellRun, temporaryFolder } from "../support/shell.ts";

const { monitoring } = configOf("prod");

interface Cluster {
  /** Size of the claim of Prometheus. */
  readonly has: string;
  readonly wants: string;
  readonly phase?: string;
  /** The StatefulSet takes the claim with it, as earlier releases had it. */
  readonly owned?: boolean;
}

function run(context: TestContext, cluster: Cluster, action = "on_create"): ShellRun {
  const folder = temporaryFolder(context);
  const claim = `prometheus-db-0 ${cluster.has} ${cluster.phase ?? "Bound"} pv-1`;
  return runShell(folder, {
    files: ["monitoring"],
    variables: {
      KUBECONFIG_FILE: "/k",
      MONITORING_NAMESPACE: "monitoring-system",
      CHART_REPOSITORY: "https://m/charts",
      CHART_VERSION: "88.5.0",
      VOLUME_SECONDS: 3,
      VOLUME_LABELS: ["app=prometheus"],
      VOLUME_SIZES: [cluster.wants],
      VOLUME_SETTINGS: ["monitoring.prometheus.size"],
      VOLUME_OWNERS: ["prometheuses.monitoring.coreos.com/p"],
      MIRROR_CA: "",
    },
    programs: {
      helm: "echo 'kind: CustomResourceDefinition'",
      kubectl: `case "$*" in
        *ownerReferences*) [[ ! -e ${folder}/kept ]] && echo '${cluster.owned === true ? "prometheus-p" : ""}' ;;
        "get persistentvolumeclaims"*) echo '${claim}' ;;
        *"patch statefulset"*) touch ${folder}/kept ;;
        "get persistentvolume "*) [[ -e ${folder}/gone ]] || echo pv-1; touch ${folder}/gone ;;
      esac; exit 0`,
    },
    run: action,
  });
}

const changes = ({ calls }: ShellRun) => calls.filter((call) => /kubectl (patch|apply|delete)/.test(call));

test("a larger size grows the volumes before the release changes, and the CRDs are the release's", (t) => {
  const result = run(t, { has: "10Gi", wants: "50Gi" });
  assert.equal(result.code, 0, result.stderr);
  assert.match(
    result.calls[1] ?? "",
    /^helm show crds kube-prometheus-stack --repo https:\/\/m\/charts --version 88\.5\.0 ?$/,
  );
  const [crds, grown, ...more] = changes(result);
  assert.match(crds ?? "", /^kubectl apply --server-side --force-conflicts --filename /);
  assert.equal(
    grown,
    'kubectl patch persistentvolumeclaim prometheus-db-0 --namespace monitoring-system --type merge --patch {"spec":{"resources":{"requests":{"storage":"50Gi"}}}}',
  );
  assert.deepEqual(more, []);
});

test("a smaller size is refused with the way, before anything is touched", (t) => {
  const result = run(t, { has: "50Gi", wants: "50G" });
  assert.equal(result.code, 70);
  assert.match(
    result.stderr,
    /monitoring\.prometheus\.size is 50G, but volume prometheus-db-0 has 50Gi and volumes do not shrink: set it to 50Gi or more/,
  );
  assert.deepEqual(changes(result), []);
});

test("volumes that an earlier release would let go with their StatefulSet are kept first", (t) => {
  const result = run(t, { has: "10Gi", wants: "20Gi", owned: true });
  assert.equal(result.code, 0, result.stderr);
  assert.deepEqual(
    changes(result).map((call) => call.split(" --")[0]),
    [
      "kubectl apply",
      "kubectl patch prometheuses.monitoring.coreos.com/p",
      "kubectl patch statefulset prometheus-p",
      "kubectl patch persistentvolumeclaim prometheus-db-0",
    ],
  );
});

test("a volume of the same size, and one that is not there yet, stay", (t) => {
  for (const cluster of [
    { has: "50Gi", wants: "50Gi" },
    { has: "10Gi", wants: "50Gi", phase: "Pending" },
  ]) {
    assert.equal(changes(run(t, cluster)).length, 1, "the CRDs only");
  }
});

test("the volumes go after the release, and are awaited: nothing deletes them once the cluster is gone", (t) => {
  const result = run(t, { has: "10Gi", wants: "10Gi" }, "on_delete");
  assert.equal(result.code, 0, result.stderr);
  assert.deepEqual(
    result.calls.map((call) => call.replace(/ --.*/, "")),
    [
      "kubectl get persistentvolumeclaims",
      "kubectl delete persistentvolumeclaims",
      "kubectl get persistentvolume pv-1",
      "kubectl get persistentvolume pv-1",
    ],
  );
});

test("the chart comes from the mirror, by the names that the chart gives Prometheus and Alertmanager", () => {
  const text = monitoringScript({
    namespace: "n",
    monitoring,
    kubeconfigFile: "/k",
    mirrorUrl: "https://mirror.example/all",
  });
  assert.match(
    text,
    /^CHART_REPOSITORY='https:\/\/mirror\.example\/all\/prometheus-community\.github\.io\/helm-charts'$/m,
  );
  assert.match(text, /^VOLUME_SIZES=\('50Gi' '10Gi'\)$/m);
  assert.match(
    text,
    /^VOLUME_LABELS=\('operator\.prometheus\.io\/name=kube-prometheus-stack-prometheus' 'alertmanager=kube-prometheus-stack-alertmanager'\)$/m,
  );
});

test("Prometheus fills 85 % of its volume, and no StatefulSet takes a volume with it", () => {
  const values = monitoringValues(monitoring) as {
    prometheus: { prometheusSpec: Record<string, unknown> };
    alertmanager: { alertmanagerSpec: Record<string, unknown> };
  };
  // 50 GiB; what Prometheus calls MB are MiB.
  assert.equal(values.prometheus.prometheusSpec["retentionSize"], "43520MB");
  for (const spec of [values.prometheus.prometheusSpec, values.alertmanager.alertmanagerSpec]) {
    assert.deepEqual(spec["persistentVolumeClaimRetentionPolicy"], {
      whenDeleted: "Retain",
      whenScaled: "Retain",
    });
  }
});
