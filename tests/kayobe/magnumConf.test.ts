/** The driver's settings fit what is deployed, and what an operator disabled stays disabled. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { mergeMagnumConf } from "../../kayobe/magnumConf.ts";
import { CommandError } from "../../lib/command-error.ts";

const DEPLOYED = {
  chartVersion: "0.27.0",
  chartRepository: "https://azimuth-cloud.github.io/capi-helm-charts",
  clusterApi: "v1.14.0",
};
const CONFLICTING =
  "k8s_cluster_api_flatcar,k8s_cluster_api_rockylinux,k8s_cluster_api_ubuntu,k8s_cluster_api_ubuntu_focal";

test("a new file holds our settings only", () => {
  assert.equal(
    mergeMagnumConf("", DEPLOYED).text,
    [
      "[capi_helm]",
      "helm_chart_repo = https://azimuth-cloud.github.io/capi-helm-charts",
      "helm_chart_name = openstack-cluster",
      "default_helm_chart_version = 0.27.0",
      "",
      "[drivers]",
      `disabled_drivers = ${CONFLICTING}`,
      "",
    ].join("\n"),
  );
});

test("merging again changes nothing", () => {
  const once = mergeMagnumConf("[nova_client]\nendpoint_type = publicURL\n", DEPLOYED).text;
  assert.deepEqual(mergeMagnumConf(once, DEPLOYED), { text: once, changes: [] });
});

test("drivers that an operator disabled stay disabled, in their order", () => {
  const { text, changes } = mergeMagnumConf(
    "[drivers]\ndisabled_drivers = k8s_fedora_coreos_v1, k8s_cluster_api_ubuntu\n",
    DEPLOYED,
  );
  assert.match(
    text,
    /^disabled_drivers = k8s_fedora_coreos_v1,k8s_cluster_api_ubuntu,k8s_cluster_api_flatcar,k8s_cluster_api_rockylinux,k8s_cluster_api_ubuntu_focal$/m,
  );
  assert.equal(changes.at(-1)?.from, "k8s_fedora_coreos_v1, k8s_cluster_api_ubuntu");
});

test("an operator's list that has them all is left as it is written", () => {
  const list = `[drivers]\ndisabled_drivers =\n  ${CONFLICTING.replaceAll(",", ",\n  ")},\n  k8s_fedora_coreos_v1\n`;
  assert.ok(mergeMagnumConf(list, DEPLOYED).text.startsWith(list));
});

test("a Cluster API that no driver release works with is refused", () => {
  assert.throws(
    () => mergeMagnumConf("", { ...DEPLOYED, clusterApi: "v1.16.0" }),
    (error: CommandError) =>
      error instanceof CommandError && /v1\.16\.0 no longer serves v1beta1/.test(error.message),
  );
});
