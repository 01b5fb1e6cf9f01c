#!/bin/bash
# Prints the HA cluster's kubeconfig as Cluster API keeps it on k3s.
#   CLUSTER, NAMESPACE; cluster.sh

cluster_kubeconfig() {
  local data
  use_cluster
  data=$(kubectl get secret "$CLUSTER-kubeconfig" --namespace "$NAMESPACE" --output 'jsonpath={.data.value}') ||
    fail "Cluster API has made no kubeconfig for cluster $CLUSTER"
  base64 --decode <<< "$data"
}

on_create() { cluster_kubeconfig; }
