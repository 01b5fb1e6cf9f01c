#!/bin/bash
# Stands below the janitor and goes after it: whose finalizer nobody takes off could never be deleted.
#   JANITOR_NAMESPACE, FINALIZER, STOP_SECONDS; cluster.sh

kind=openstackclusters.infrastructure.cluster.x-k8s.io

on_create() { :; }

# Its namespace has no other pods. One that is still stopping would put its finalizer back.
janitor_stopped() {
  local end pods
  end=$(deadline "$STOP_SECONDS")
  while true; do
    pods=$(kubectl get pods --namespace "$JANITOR_NAMESPACE" --output name) || fail "the cluster does not tell whether the janitor has stopped"
    [[ -n $pods ]] || return 0
    before "$end" || fail "the janitor has not stopped after $STOP_SECONDS s (setting clusterApi.timeouts.charts): $(xargs <<< "$pods")"
    sleep 1
  done
}

on_delete() {
  local namespace name finalizers before_it path clusters
  use_cluster
  has_kind "$kind" "the cluster does not answer, so nobody knows which clusters have the janitor's finalizer" || return 0
  janitor_stopped
  clusters=$(kubectl get "$kind" --all-namespaces --output 'jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name} {.metadata.finalizers}{"\n"}{end}')
  while read -r namespace name finalizers; do
    [[ $finalizers == *"\"$FINALIZER\""* ]] || continue
    # Its place in the list is the number of commas before it.
    before_it=${finalizers%%"\"$FINALIZER\""*}
    before_it=${before_it//[^,]/}
    path=/metadata/finalizers/${#before_it}
    # Whoever changed the list meanwhile makes the test fail.
    kubectl patch "$kind" "$name" --namespace "$namespace" --type json \
      --patch "[{\"op\":\"test\",\"path\":\"$path\",\"value\":\"$FINALIZER\"},{\"op\":\"remove\",\"path\":\"$path\"}]" > /dev/null ||
      fail "could not take the janitor's finalizer off OpenStackCluster $namespace/$name: run this again"
    say "the janitor's finalizer is off OpenStackCluster $namespace/$name: what this cluster leaves in OpenStack, nobody deletes"
  done <<< "$clusters"
}
