#!/bin/bash
# Stands beside Magnum's clusters, which live and die on the cluster that made them: it goes only once none is left.
#   CLUSTER, NAMESPACE (the site's own cluster, which a change to HA has just made on k3s), WHERE; cluster.sh

on_create() { echo "$WHERE is Magnum's cluster"; }

on_delete() {
  local clusters
  use_cluster
  has_kind clusters.cluster.x-k8s.io "$WHERE does not answer, so nobody knows whether it manages clusters of Magnum's" || return 0
  clusters=$(kubectl get clusters.cluster.x-k8s.io --all-namespaces --output 'jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name}{"\n"}{end}')
  clusters=$(grep -vxF "$NAMESPACE/$CLUSTER" <<< "$clusters" | xargs) || true
  [[ -z $clusters ]] || fail "$WHERE still manages $clusters, which cannot move to another cluster: delete these with Magnum first, or take a change of cluster.enabled back"
}
