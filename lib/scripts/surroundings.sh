#!/bin/bash
# What the charts of controllers have no value for: a proxy, and authorities beside the public ones (the value trustBundle
# of cluster-api-addon-provider would replace them). Helm leaves alone what it did not set.
#   DEPLOYMENTS, TRUSTING (arrays of <namespace>/<name>), PROXY_VARIABLES (array of NAME=value), TRUSTED_CA (PEM, may be
#   empty), READY_SECONDS; cluster.sh

trust=capi-mgmt-trust

# patch NAMESPACE/NAME PATCH
patch() { kubectl patch deployment "${1#*/}" --namespace "${1%/*}" --type strategic --patch "$2" > /dev/null || fail "could not patch deployment $1"; }

container() { kubectl get deployment "${1#*/}" --namespace "${1%/*}" --output 'jsonpath={.spec.template.spec.containers[0].name}'; }

# trust_authorities NAMESPACE/NAME: the system's bundle and ours in the place of the image's, where Python and Go look
trust_authorities() {
  local bundle name sum
  [[ -s /etc/ssl/certs/ca-certificates.crt ]] || fail "the seed has no /etc/ssl/certs/ca-certificates.crt (package ca-certificates)"
  bundle=$(mktemp --directory)
  { cat /etc/ssl/certs/ca-certificates.crt && printf '%s\n' "$TRUSTED_CA"; } > "$bundle/ca-certificates.crt"
  sum=$(sha256sum < "$bundle/ca-certificates.crt")
  kubectl create configmap "$trust" --namespace "${1%/*}" --from-file "$bundle" --dry-run=client --output yaml |
    kubectl apply --server-side --force-conflicts --filename - > /dev/null || fail "could not store the authorities in ${1%/*}"
  rm -rf "$bundle"
  name=$(container "$1")
  patch "$1" "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"$trust\":\"${sum%% *}\"}},\"spec\":{
    \"volumes\":[{\"name\":\"$trust\",\"configMap\":{\"name\":\"$trust\"}}],
    \"containers\":[{\"name\":\"$name\",\"volumeMounts\":[{\"name\":\"$trust\",\"mountPath\":\"/etc/ssl/certs\",\"readOnly\":true}]}]}}}}"
}

on_create() {
  local item
  use_cluster
  for item in "${TRUSTING[@]}"; do trust_authorities "$item"; done
  for item in "${DEPLOYMENTS[@]}"; do
    ((${#PROXY_VARIABLES[@]} == 0)) ||
      kubectl set env "deployment/${item#*/}" --namespace "${item%/*}" "${PROXY_VARIABLES[@]}" > /dev/null || fail "could not give deployment $item its proxy"
    kubectl rollout status "deployment/${item#*/}" --namespace "${item%/*}" --timeout "${READY_SECONDS}s" > /dev/null ||
      fail "deployment $item is not available with its new surroundings after $READY_SECONDS s (setting clusterApi.timeouts.charts)"
  done
  echo "${DEPLOYMENTS[*]}"
}

# As the charts have them. A deployment that is gone needs nothing.
on_delete() {
  local item name
  use_cluster
  for item in "${DEPLOYMENTS[@]}"; do
    name=$(container "$item" 2> /dev/null) || continue
    kubectl set env "deployment/${item#*/}" --namespace "${item%/*}" HTTP_PROXY- HTTPS_PROXY- NO_PROXY- > /dev/null || true
    patch "$item" "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"$trust\":null}},\"spec\":{
      \"volumes\":[{\"name\":\"$trust\",\"\$patch\":\"delete\"}],
      \"containers\":[{\"name\":\"$name\",\"volumeMounts\":[{\"mountPath\":\"/etc/ssl/certs\",\"\$patch\":\"delete\"}]}]}}}}"
  done
}
