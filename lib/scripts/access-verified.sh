#!/bin/bash
# Uses Magnum's kubeconfig as Magnum would, by the address that is in it. It is put together here of what the clusters
# hold: carried by the script it would be in the state twice more.
#   CLUSTER, NAMESPACE, TOKEN_NAMESPACE, TOKEN_SECRET (empty: the kubeconfig is the cluster's own), WORK_SECONDS;
#   cluster.sh

# Seconds for one try.
try=15

# magnum_kubeconfig ADMIN: the kubeconfig, of the cluster's own in file ADMIN and the token that it may read.
magnum_kubeconfig() {
  local server
  if [[ -z $TOKEN_SECRET ]]; then
    cat "$1"
    return
  fi
  server=$(kubectl --kubeconfig "$1" config view --minify --output 'jsonpath={.clusters[0].cluster.server}') || return
  kubectl --kubeconfig "$1" get secret "$TOKEN_SECRET" --namespace "$TOKEN_NAMESPACE" --request-timeout "${try}s" \
    --output "go-template=apiVersion: v1
kind: Config
clusters: [{name: magnum, cluster: {server: '$server', certificate-authority-data: {{index .data \"ca.crt\"}}}}]
users: [{name: magnum, user: {token: {{base64decode .data.token}}}}]
contexts: [{name: magnum, context: {cluster: magnum, user: magnum}}]
current-context: magnum
"
}

# may_do_everything FOLDER: everything everywhere is what the driver needs (docs/kayobe.md).
may_do_everything() {
  magnum_kubeconfig "$1/admin" > "$1/magnum" &&
    kubectl --kubeconfig "$1/magnum" auth can-i '*' '*' --all-namespaces --request-timeout "${try}s"
}

on_create() {
  local end answer folder
  folder=$(mktemp --directory /dev/shm/capi-mgmt-kubeconfig.XXXXXX)
  # shellcheck disable=SC2064 # the folder is local here and gone when the trap runs
  trap "rm -rf '$folder'" EXIT
  cluster_kubeconfig > "$folder/admin"
  end=$(deadline "$WORK_SECONDS")
  while :; do
    if answer=$(may_do_everything "$folder" 2>&1); then
      echo works
      return
    fi
    before "$end" || break
    sleep 2
  done
  case $answer in
    *"(NotFound)"* | *"executing template"*) fail "cluster $CLUSTER has no token in secret $TOKEN_NAMESPACE/$TOKEN_SECRET, which Magnum's kubeconfig was made of" ;;
    *Unauthorized* | *"logged in"*) fail "the API of cluster $CLUSTER refuses the kubeconfig made for Magnum; no older token was revoked" ;;
    *no) fail "the kubeconfig made for Magnum may not do everything on cluster $CLUSTER: its ClusterRoleBinding capi-mgmt was changed" ;;
    *x509* | *certificate*) fail "the API of cluster $CLUSTER has a certificate that does not fit the kubeconfig made for Magnum: ${answer##*$'\n'}" ;;
  esac
  fail "the seed does not reach the API of cluster $CLUSTER: ${answer##*$'\n'}; see cluster.apiServer.allowedCidrs and the load balancer"
}
