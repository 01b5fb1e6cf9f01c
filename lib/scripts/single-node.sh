#!/bin/bash
# Stands on a site without the HA cluster. Magnum's clusters live and die on k3s: it goes only once none is left.
#   CLUSTER, NAMESPACE (the site's own cluster, which a change to HA has just made); cluster.sh

on_create() { echo "k3s is Magnum's cluster"; }

on_delete() {
  local clusters
  use_cluster
  clusters=$(kubectl get clusters.cluster.x-k8s.io --all-namespaces --output 'jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name}{"\n"}{end}') ||
    fail "k3s does not tell whether it manages clusters of Magnum's"
  clusters=$(grep -vxF "$NAMESPACE/$CLUSTER" <<< "$clusters" | xargs) || true
  [[ -z $clusters ]] || fail "k3s still manages $clusters, which cannot move to another cluster: delete these with Magnum first, or set cluster.enabled back to false"
}
