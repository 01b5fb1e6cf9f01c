#!/bin/bash
# Manifests of a release: fetched, applied with a kustomization, awaited.
#   READY_SECONDS; cluster-failure.sh, download.sh
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
