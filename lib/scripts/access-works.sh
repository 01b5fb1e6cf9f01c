#!/bin/bash
# Uses a kubeconfig as the one it is made for would, by the address that is in it.
#   CONTENT (the kubeconfig, secret), CLUSTER, WORK_SECONDS

# Seconds for one try.
try=15

on_create() {
  local end answer
  KUBECONFIG=$(mktemp /dev/shm/capi-mgmt-kubeconfig.XXXXXX)
  export KUBECONFIG
  trap 'rm -f "$KUBECONFIG"' EXIT
  printf '%s\n' "$CONTENT" > "$KUBECONFIG"
  end=$(deadline "$WORK_SECONDS")
  while :; do
    # Everything everywhere is what the driver needs (docs/kayobe.md); without an account nobody may.
    if answer=$(kubectl auth can-i '*' '*' --all-namespaces --request-timeout "${try}s" 2>&1); then
      echo works
      return
    fi
    before "$end" || break
    sleep 2
  done
  case $answer in
    *Unauthorized* | *"logged in"*) fail "the API of cluster $CLUSTER refuses the kubeconfig made for Magnum; no older token was revoked" ;;
    *no) fail "the kubeconfig made for Magnum may not do everything on cluster $CLUSTER: its ClusterRoleBinding capi-mgmt was changed" ;;
    *x509* | *certificate*) fail "the API of cluster $CLUSTER has a certificate that does not fit the kubeconfig made for Magnum: ${answer##*$'\n'}" ;;
  esac
  fail "the seed does not reach the API of cluster $CLUSTER: ${answer##*$'\n'}; see cluster.apiServer.allowedCidrs and the load balancer"
}
