#!/bin/bash
# Which cluster kubectl talks to, and how the HA cluster is reached.
#   KUBECONFIG_FILE (unset or empty: k3s on this machine); for cluster_kubeconfig CLUSTER, NAMESPACE

use_cluster() { export KUBECONFIG=${KUBECONFIG_FILE:-/etc/rancher/k3s/k3s.yaml}; }

# The HA cluster's kubeconfig as Cluster API keeps it on k3s.
cluster_kubeconfig() {
  local data
  use_cluster
  data=$(kubectl get secret "$CLUSTER-kubeconfig" --namespace "$NAMESPACE" --output 'jsonpath={.data.value}') ||
    fail "Cluster API has made no kubeconfig for cluster $CLUSTER"
  base64 --decode <<< "$data"
}
