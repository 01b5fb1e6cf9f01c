#!/bin/bash
# Which cluster kubectl talks to, and how the HA cluster is reached.
#   KUBECONFIG_FILE (unset or empty: k3s on this machine); for cluster_kubeconfig CLUSTER, NAMESPACE

use_cluster() { export KUBECONFIG=${KUBECONFIG_FILE:-/etc/rancher/k3s/k3s.yaml}; }

# has_kind KIND COMPLAINT: fails where the cluster does not answer, for that is not a cluster without the kind
has_kind() {
  kubectl get crd "$1" --output name > /dev/null 2>&1 && return 0
  kubectl get --raw /readyz > /dev/null || fail "$2"
  return 1
}

# The HA cluster's kubeconfig as Cluster API keeps it on k3s.
cluster_kubeconfig() {
  local data
  use_cluster
  data=$(kubectl get secret "$CLUSTER-kubeconfig" --namespace "$NAMESPACE" --output 'jsonpath={.data.value}') ||
    fail "Cluster API has made no kubeconfig for cluster $CLUSTER"
  base64 --decode <<< "$data"
}
