#!/bin/bash
# Cluster API's controllers on one cluster, in the order of an upgrade; each stage is applied and awaited.
#   INSTANCE; STAGE_NAMES, STAGE_URLS, STAGE_SUMS, STAGE_KUSTOMIZATIONS, STAGE_DEPLOYMENTS (arrays of one length);
#   READY_SECONDS; cluster.sh, cluster-failure.sh, download.sh, stored-versions.sh
# Upstream analogue: azimuth-ops role clusterapi.

# resolve_placeholders: what clusterctl would fill in (${NAME:=default}); the patches set what we want otherwise
resolve_placeholders() { sed -E 's/\$\{[A-Za-z_][A-Za-z0-9_]*:?[=-]([^}]*)\}/\1/g'; }

# get_manifest URL SUM FILE
get_manifest() {
  local url=$1 sum=$2 file=$3 original
  original=$(mktemp)
  if [[ -n $sum ]]; then
    rm -f "$original"
    fetch_verified "$url" "${sum,,}" "$original"
  else
    fetch "$url" "$original"
  fi
  grep -q '^kind: ' "$original" || fail "$url is not a Kubernetes manifest"
  resolve_placeholders < "$original" > "$file"
  rm -f "$original"
}

# apply FOLDER: tried anew because a webhook may answer only moments after its Deployment is ready
apply() {
  local try
  for try in 1 2 3; do
    if kubectl apply --server-side --force-conflicts --kustomize "$1" > /dev/null; then return; fi
    ((try < 3)) || fail "could not apply $1"
    sleep 5
  done
}

# await_deployments UNTIL NAMESPACE/NAME…
await_deployments() {
  local until=$1 item left
  shift
  for item; do
    left=$((until - $(date +%s)))
    if ((left < 1)) || ! kubectl rollout status "deployment/${item#*/}" --namespace "${item%/*}" --timeout "${left}s" > /dev/null; then
      say "deployment $item, failing conditions:"
      kubectl get deployment "${item#*/}" --namespace "${item%/*}" \
        --output 'jsonpath={range .status.conditions[*]}  {.type}={.status} {.reason}: {.message}{"\n"}{end}' >&2 || true
      kubectl get pods --namespace "${item%/*}" >&2 || true
      last_events "${item%/*}"
      fail "deployment $item is not available after $READY_SECONDS s (setting clusterApi.timeouts.deployments)"
    fi
  done
}

on_create() {
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

# Nothing is uninstalled: the cluster goes as a whole. But not while it manages clusters: they would lose the only
# thing that knows how to delete them.
on_delete() {
  local clusters
  use_cluster
  if ! kubectl get crd clusters.cluster.x-k8s.io --output name > /dev/null 2>&1; then
    kubectl get --raw /readyz > /dev/null || fail "the cluster does not answer, so nobody knows whether it manages clusters"
    return 0
  fi
  clusters=$(kubectl get clusters.cluster.x-k8s.io --all-namespaces --output 'jsonpath={range .items[*]} {.metadata.namespace}/{.metadata.name}{end}')
  [[ -z $clusters ]] || fail "this cluster still manages$clusters: delete these clusters first"
}
