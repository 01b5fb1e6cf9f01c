#!/bin/bash
# On a site without the HA cluster Magnum's cluster is k3s. Comes after access-verified.sh.
#   CLUSTER; cluster.sh

cluster_kubeconfig() {
  use_cluster
  cat "$KUBECONFIG"
}
