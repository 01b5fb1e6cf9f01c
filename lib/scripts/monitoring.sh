#!/bin/bash
# What neither Helm nor prometheus-operator does for kube-prometheus-stack: its CRDs follow the release, its volumes grow,
# and they go with it. Runs before the release changes.
#   MONITORING_NAMESPACE, CHART_REPOSITORY, CHART_VERSION, VOLUME_SECONDS; VOLUME_LABELS, VOLUME_SIZES, VOLUME_SETTINGS,
#   VOLUME_OWNERS (arrays of one length); cluster.sh, download.sh
# Upstream analogue: azimuth-ops role kube_prometheus_stack (CRDs) and the monitoring addon of openstack-cluster (volumes).

# Helm installs the CRDs of a chart once and never touches them again.
upgrade_crds() {
  local crds
  crds=$(mktemp)
  # shellcheck disable=SC2046 # two words, or none
  proxied helm show crds kube-prometheus-stack --repo "$CHART_REPOSITORY" --version "$CHART_VERSION" $(helm_ca) > "$crds" < /dev/null ||
    fail "the seed could not get the chart kube-prometheus-stack $CHART_VERSION from $CHART_REPOSITORY"
  grep -q '^kind: CustomResourceDefinition' "$crds" || fail "kube-prometheus-stack $CHART_VERSION of $CHART_REPOSITORY has no CRDs"
  # Force: the fields belong to Helm, which made them.
  kubectl apply --server-side --force-conflicts --filename "$crds" > /dev/null || fail "could not apply the CRDs of kube-prometheus-stack $CHART_VERSION"
  rm -f "$crds"
}

# claims LABEL: "<name> <size> <phase> <volume>" of each
claims() {
  kubectl get persistentvolumeclaims --namespace "$MONITORING_NAMESPACE" --selector "$1" \
    --output 'jsonpath={range .items[*]}{.metadata.name} {.spec.resources.requests.storage} {.status.phase} {.spec.volumeName}{"\n"}{end}'
}

bytes() { numfmt --from=auto "$1"; }

# Before anything is touched: a volume does not shrink.
refuse_smaller() {
  local index found name size rest
  for index in "${!VOLUME_LABELS[@]}"; do
    found=$(claims "${VOLUME_LABELS[index]}")
    while read -r name size rest; do
      [[ -z $name ]] || (($(bytes "$size") <= $(bytes "${VOLUME_SIZES[index]}"))) ||
        fail "${VOLUME_SETTINGS[index]} is ${VOLUME_SIZES[index]}, but volume $name has $size and volumes do not shrink: set it to $size or more"
    done <<< "$found"
  done
}

# For another size prometheus-operator makes the StatefulSet anew. One of earlier releases takes its volumes along.
keep_volumes() {
  local index set patch='{"spec":{"persistentVolumeClaimRetentionPolicy":{"whenDeleted":"Retain"}}}' end
  for index in "${!VOLUME_LABELS[@]}"; do
    set=$(owners "${VOLUME_LABELS[index]}")
    [[ -n $set ]] || continue
    kubectl patch "${VOLUME_OWNERS[index]}" --namespace "$MONITORING_NAMESPACE" --type merge --patch "$patch" > /dev/null || fail "could not patch ${VOLUME_OWNERS[index]}"
    kubectl patch statefulset "${set%% *}" --namespace "$MONITORING_NAMESPACE" --type merge --patch "$patch" > /dev/null || fail "could not patch StatefulSet ${set%% *}"
    end=$(deadline "$VOLUME_SECONDS")
    while [[ -n $(owners "${VOLUME_LABELS[index]}") ]]; do
      before "$end" || fail "the volumes of ${VOLUME_OWNERS[index]} still go with their StatefulSet after $VOLUME_SECONDS s; nothing was changed"
      sleep 2
    done
  done
}

# owners LABEL: names of the StatefulSets with which the claims go
owners() {
  kubectl get persistentvolumeclaims --namespace "$MONITORING_NAMESPACE" --selector "$1" \
    --output 'jsonpath={.items[*].metadata.ownerReferences[?(@.kind=="StatefulSet")].name}'
}

grow_volumes() {
  local index want found name size phase rest
  for index in "${!VOLUME_LABELS[@]}"; do
    want=${VOLUME_SIZES[index]}
    found=$(claims "${VOLUME_LABELS[index]}")
    while read -r name size phase rest; do
      [[ $phase == Bound ]] || continue
      (($(bytes "$size") < $(bytes "$want"))) || continue
      say "growing volume $name from $size to $want"
      kubectl patch persistentvolumeclaim "$name" --namespace "$MONITORING_NAMESPACE" --type merge \
        --patch "{\"spec\":{\"resources\":{\"requests\":{\"storage\":\"$want\"}}}}" > /dev/null ||
        fail "volume $name does not grow to $want (setting ${VOLUME_SETTINGS[index]}): its storage class must allow expansion"
    done <<< "$found"
  done
}

on_create() {
  use_cluster
  refuse_smaller
  upgrade_crds
  keep_volumes
  grow_volumes
  echo "kube-prometheus-stack $CHART_VERSION"
}

# After the release: nothing would delete the volumes once the cluster is gone (CAPO #842, #990).
on_delete() {
  local label volumes='' end
  use_cluster
  for label in "${VOLUME_LABELS[@]}"; do
    volumes+=" $(claims "$label" | awk '{ print $4 }')"
    kubectl delete persistentvolumeclaims --namespace "$MONITORING_NAMESPACE" --selector "$label" --ignore-not-found --timeout "${VOLUME_SECONDS}s" > /dev/null
  done
  end=$(deadline "$VOLUME_SECONDS")
  for label in $volumes; do
    while [[ -n $(kubectl get persistentvolume "$label" --ignore-not-found --output name) ]]; do
      before "$end" || fail "volume $label is not gone after $VOLUME_SECONDS s; see the events of PersistentVolume $label. The next try goes on without it"
      sleep 2
    done
  done
}
