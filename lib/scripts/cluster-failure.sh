#!/bin/bash
# What to show of a cluster when something does not come up.
#   CLUSTER, NAMESPACE (for show_failure); cluster.sh

# A node's own, of which each start of the kubelet writes ten, are in the same namespace and say nothing of a cluster's.
last_events() {
  say "last events in $1:"
  kubectl get events --namespace "$1" --field-selector involvedObject.kind!=Node --sort-by=.lastTimestamp \
    --output 'custom-columns=AT:.lastTimestamp,KIND:.involvedObject.kind,NAME:.involvedObject.name,REASON:.reason,MESSAGE:.message' 2>&1 | tail -n 15 >&2 || true
}

# show_failure: what stands in the way of CLUSTER in NAMESPACE
show_failure() {
  local kind
  for kind in openstackclusters.infrastructure.cluster.x-k8s.io machines.cluster.x-k8s.io openstackmachines.infrastructure.cluster.x-k8s.io; do
    kubectl get "$kind" --namespace "$NAMESPACE" --selector "cluster.x-k8s.io/cluster-name=$CLUSTER" \
      --output 'jsonpath={range .items[*]}{.kind} {.metadata.name}:{"\n"}{range .status.conditions[?(@.status=="False")]}  {.type} {.reason}: {.message}{"\n"}{end}{end}' >&2 2> /dev/null || true
  done
  last_events "$NAMESPACE"
}
