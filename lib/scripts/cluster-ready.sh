#!/bin/bash
# A new HA cluster: waits until it serves, so that what runs on it is made while its control plane grows. A changed one: waits
# until it is complete, so that what runs on it is left alone while machines are rolled. Prints the Cluster's uid.
#   CLUSTER, NAMESPACE, READY_SECONDS, CERTIFICATES_EXPIRY_DAYS (empty: the chart says it); cluster-conditions.sh

# roll_before_expiry: the chart's releases up to 0.27.0 have no value for it. An upgrade leaves it as it is: for kinds that it
# does not know Helm patches what differs between the old and the new manifest, and neither has this field (createPatch in
# helm's pkg/kube/client.go). After whatever changes the release it is set once more.
roll_before_expiry() {
  [[ -n $CERTIFICATES_EXPIRY_DAYS ]] || return 0
  kubectl patch kubeadmcontrolplanes.v1beta2.controlplane.cluster.x-k8s.io "$CLUSTER-control-plane" --namespace "$NAMESPACE" --type merge \
    --patch "{\"spec\":{\"rollout\":{\"before\":{\"certificatesExpiryDays\":$CERTIFICATES_EXPIRY_DAYS}}}}" > /dev/null ||
    fail "could not set when the control plane of cluster $CLUSTER is rolled (setting cluster.controlPlane.certificatesExpiryDays)"
}

# ready AWAIT: after AWAIT, a wait of cluster-conditions.sh
ready() {
  use_cluster
  roll_before_expiry
  "$1"
  say "cluster $CLUSTER is ready"
  kubectl get clusters.cluster.x-k8s.io "$CLUSTER" --namespace "$NAMESPACE" --output 'jsonpath={.metadata.uid}'
}

on_create() { ready await_serving; }
on_update() { ready await_complete; }
