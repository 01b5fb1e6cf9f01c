#!/bin/bash
# Takes the HA cluster down, from k3s.
#   CLUSTER, NAMESPACE, DELETE_SECONDS; cluster.sh, cluster-failure.sh
# Upstream analogue: azimuth-ops role capi_cluster, release state absent.

# Nothing to do yet: this exists before the cluster so that it is there to delete whatever of it was made.
on_create() { :; }

# No answer counts as yes: what cannot be seen may be there.
cluster_exists() {
  local found
  found=$(kubectl get clusters.cluster.x-k8s.io "$CLUSTER" --namespace "$NAMESPACE" --ignore-not-found --output name) || return 0
  [[ -n $found ]]
}

# Waits until Cluster API has taken everything below the Cluster out of OpenStack, while credentials, controllers,
# addresses and network are still there. Uninstalling the release has only asked for it: the chart keeps the objects
# that Cluster API needs until then.
on_delete() {
  local end last='' now
  use_cluster
  has_kind clusters.cluster.x-k8s.io "k3s does not answer: cluster $CLUSTER cannot be deleted" || return 0
  end=$(deadline "$DELETE_SECONDS")
  if cluster_exists; then
    kubectl delete clusters.cluster.x-k8s.io "$CLUSTER" --namespace "$NAMESPACE" --wait=false > /dev/null
  fi
  while cluster_exists; do
    now=$(kubectl get machines.cluster.x-k8s.io --namespace "$NAMESPACE" --selector "cluster.x-k8s.io/cluster-name=$CLUSTER" --output name 2> /dev/null | wc -l) || now=unknown
    if [[ $now != "$last" ]]; then
      say "waiting for cluster $CLUSTER to go: machines left: $now"
      last=$now
    fi
    if ! before "$end"; then
      show_failure
      fail "cluster $CLUSTER is not gone after $DELETE_SECONDS s (setting cluster.timeouts.delete); its credentials are kept, so that the next try can finish"
    fi
    sleep 2
  done
  # Templates of earlier versions, which the chart keeps and nothing owns any more.
  kubectl delete openstackmachinetemplates.infrastructure.cluster.x-k8s.io,kubeadmconfigtemplates.bootstrap.cluster.x-k8s.io \
    --namespace "$NAMESPACE" --selector "capi.stackhpc.com/cluster=$CLUSTER" --ignore-not-found > /dev/null
  say "cluster $CLUSTER is gone"
}
