#!/bin/bash
# Cluster API's controllers on one cluster, in the order of an upgrade; each stage is applied and awaited. The first time there
# is nothing yet that one stage could break for another: all are applied, then all awaited, so that they start side by side.
#   INSTANCE; STAGE_NAMES, STAGE_URLS, STAGE_SUMS, STAGE_KUSTOMIZATIONS, STAGE_DEPLOYMENTS (arrays of one length);
#   READY_SECONDS; cluster.sh, download.sh, manifests.sh, stored-versions.sh
# Upstream analogue: azimuth-ops role clusterapi.

# await_stage UNTIL INDEX
await_stage() {
  local deployments
  read -ra deployments <<< "${STAGE_DEPLOYMENTS[$2]}"
  await_deployments "$1" "${deployments[@]}"
  say "${STAGE_NAMES[$2]} is ready"
}

install_controllers() {
  local index name folder end known
  use_cluster
  known=$(kubectl get crd clusters.cluster.x-k8s.io --ignore-not-found --output name)
  end=$(deadline "$READY_SECONDS")
  for index in "${!STAGE_NAMES[@]}"; do
    name=${STAGE_NAMES[index]}
    # The folder stays: `kubectl diff --kustomize` on it finds drift.
    folder=/var/lib/capi-mgmt/cluster-api/$INSTANCE/$name
    mkdir -p "$folder"
    get_manifest "${STAGE_URLS[index]}" "${STAGE_SUMS[index]}" "$folder/manifest.yaml"
    write_file "$folder/kustomization.yaml" 0644 <<< "${STAGE_KUSTOMIZATIONS[index]}" || true
    migrate_stored_versions "$folder/manifest.yaml"
    apply "$folder"
    [[ -z $known ]] || await_stage "$end" "$index"
  done
  if [[ -z $known ]]; then
    for index in "${!STAGE_NAMES[@]}"; do await_stage "$end" "$index"; done
  fi
  # Left behind by CAPO before 0.10; it would send objects to a service that no longer answers.
  kubectl delete mutatingwebhookconfiguration capo-mutating-webhook-configuration --ignore-not-found > /dev/null
  echo "${STAGE_NAMES[*]}"
}

# Fails while the cluster manages clusters: they would lose the only thing that knows how to delete them.
refuse_while_managing() {
  local clusters
  use_cluster
  has_kind clusters.cluster.x-k8s.io "the cluster does not answer, so nobody knows whether it manages clusters" || return 0
  clusters=$(kubectl get clusters.cluster.x-k8s.io --all-namespaces --output 'jsonpath={range .items[*]} {.metadata.namespace}/{.metadata.name}{end}')
  [[ -z $clusters ]] || fail "this cluster still manages$clusters: delete these clusters first"
}
