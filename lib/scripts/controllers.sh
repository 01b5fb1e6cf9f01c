#!/bin/bash
# Cluster API's controllers on one cluster, in the order of an upgrade; each stage is applied and awaited.
#   INSTANCE; STAGE_NAMES, STAGE_URLS, STAGE_SUMS, STAGE_KUSTOMIZATIONS, STAGE_DEPLOYMENTS (arrays of one length);
#   READY_SECONDS; cluster.sh, download.sh, manifests.sh, stored-versions.sh
# Upstream analogue: azimuth-ops role clusterapi.

install_controllers() {
  local index name folder end
  use_cluster
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
    read -ra deployments <<< "${STAGE_DEPLOYMENTS[index]}"
    await_deployments "$end" "${deployments[@]}"
    say "$name is ready"
  done
  # Left behind by CAPO before 0.10; it would send objects to a service that no longer answers.
  kubectl delete mutatingwebhookconfiguration capo-mutating-webhook-configuration --ignore-not-found > /dev/null
  echo "${STAGE_NAMES[*]}"
}

# Fails while the cluster manages clusters: they would lose the only thing that knows how to delete them.
refuse_while_managing() {
  local clusters
  use_cluster
  if ! kubectl get crd clusters.cluster.x-k8s.io --output name > /dev/null 2>&1; then
    kubectl get --raw /readyz > /dev/null || fail "the cluster does not answer, so nobody knows whether it manages clusters"
    return 0
  fi
  clusters=$(kubectl get clusters.cluster.x-k8s.io --all-namespaces --output 'jsonpath={range .items[*]} {.metadata.namespace}/{.metadata.name}{end}')
  [[ -z $clusters ]] || fail "this cluster still manages$clusters: delete these clusters first"
}
