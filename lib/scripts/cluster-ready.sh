#!/bin/bash
# The HA cluster as Cluster API sees it, from k3s: waits until it is ready; on delete deletes it and waits.
#   CLUSTER, NAMESPACE, READY_SECONDS, DELETE_SECONDS; cluster.sh
# Upstream analogue: azimuth-ops role capi_cluster, whose conditions these are.

label=capi.stackhpc.com/cluster
kinds=clusters.cluster.x-k8s.io,kubeadmcontrolplanes.controlplane.cluster.x-k8s.io,machinedeployments.cluster.x-k8s.io,helmreleases.addons.stackhpc.com,manifests.addons.stackhpc.com
wanted="Available=True RollingOut=False ControlPlaneMachinesUpToDate=True ControlPlaneAvailable=True WorkerMachinesUpToDate=True WorkersAvailable=True"

# snapshot: tab-separated lines, "object" and then its "condition" lines. Messages may run over several lines.
snapshot() {
  kubectl get "$kinds" --namespace "$NAMESPACE" --selector "$label=$CLUSTER" --output \
    'jsonpath={range .items[*]}{"object\t"}{.kind}{"\t"}{.metadata.name}{"\t"}{.metadata.generation}{"\t"}{.status.observedGeneration}{"\t"}{.status.phase}{"\n"}{range .status.conditions[*]}{"condition\t"}{.type}{"\t"}{.status}{"\t"}{.reason}{"\t"}{.message}{"\n"}{end}{end}'
}

# unmet < SNAPSHOT: one line for each thing that is not yet as it has to be
unmet() {
  awk -F '\t' -v wanted="$wanted" -v cluster="$CLUSTER" '
    function close_cluster(  i) {
      if (kind != "Cluster") return
      for (i = 1; i <= count; i++) {
        split(list[i], pair, "=")
        if (state[pair[1]] != pair[2]) print pair[1] " is " (state[pair[1]] == "" ? "not reported" : state[pair[1]]) ", not " pair[2] detail[pair[1]]
      }
    }
    BEGIN { count = split(wanted, list, " ") }
    $1 == "object" {
      close_cluster(); kind = $2; delete state; delete detail
      seen[kind]++
      # A change that a controller has not looked at yet leaves the old conditions standing.
      if ((kind == "KubeadmControlPlane" || kind == "MachineDeployment") && $5 < $4) print kind " " $3 " has not been looked at since its last change"
      if (kind == "MachineDeployment" && $6 != "Running") print kind " " $3 " is " ($6 == "" ? "not started" : $6) ", not Running"
      if ((kind == "HelmRelease" || kind == "Manifests") && $6 != "Deployed") print "addon " $3 " is " ($6 == "" ? "not started" : $6) ", not Deployed"
      next
    }
    $1 == "condition" { type = $2; state[type] = $3; detail[type] = ($4 == "" ? "" : " (" $4 ")") ($5 == "" ? "" : ": " $5); next }
    NF { detail[type] = detail[type] " " $0 }
    END {
      close_cluster()
      if (!seen["Cluster"]) print "Cluster " cluster " does not exist"
      if (!seen["MachineDeployment"]) print "no MachineDeployment exists"
    }'
}

show_failure() {
  local kind
  for kind in openstackclusters.infrastructure.cluster.x-k8s.io machines.cluster.x-k8s.io openstackmachines.infrastructure.cluster.x-k8s.io; do
    kubectl get "$kind" --namespace "$NAMESPACE" --selector "cluster.x-k8s.io/cluster-name=$CLUSTER" \
      --output 'jsonpath={range .items[*]}{.kind} {.metadata.name}:{"\n"}{range .status.conditions[?(@.status=="False")]}  {.type} {.reason}: {.message}{"\n"}{end}{end}' >&2 2> /dev/null || true
  done
  last_events "$NAMESPACE"
}

on_create() {
  local end state pending last='' settled=
  use_cluster
  end=$(deadline "$READY_SECONDS")
  while :; do
    if state=$(snapshot 2>&1); then pending=$(unmet <<< "$state"); else pending="k3s does not answer: $state"; fi
    if [[ -z $pending ]]; then
      # Seen twice: the Cluster sums up its parts a moment after they change.
      [[ -z $settled ]] || break
      settled=yes
      sleep 3
      continue
    fi
    settled=
    if [[ $pending != "$last" ]]; then
      say "waiting for cluster $CLUSTER: $(head -n 1 <<< "$pending")$(awk 'END { if (NR > 1) print " (and " NR - 1 " more)" }' <<< "$pending")"
      last=$pending
    fi
    if ! before "$end"; then
      say "$pending"
      show_failure
      fail "cluster $CLUSTER is not ready after $READY_SECONDS s (setting cluster.timeouts.ready)"
    fi
    sleep 2
  done
  say "cluster $CLUSTER is ready"
  kubectl get clusters.cluster.x-k8s.io "$CLUSTER" --namespace "$NAMESPACE" --output 'jsonpath={.metadata.uid}'
}

cluster_exists() {
  kubectl get clusters.cluster.x-k8s.io "$CLUSTER" --namespace "$NAMESPACE" --ignore-not-found --output name | grep -q .
}

# Deletes the Cluster and waits until Cluster API has taken everything below it out of OpenStack, while credentials,
# controllers and network are still there. The chart keeps these objects on uninstall for the same reason.
on_delete() {
  local end last='' now
  use_cluster
  if ! kubectl get crd clusters.cluster.x-k8s.io --output name > /dev/null 2>&1; then
    kubectl get --raw /readyz > /dev/null || fail "k3s does not answer: cluster $CLUSTER cannot be deleted"
    return 0
  fi
  end=$(deadline "$DELETE_SECONDS")
  if cluster_exists; then
    kubectl delete clusters.cluster.x-k8s.io "$CLUSTER" --namespace "$NAMESPACE" --wait=false > /dev/null
  fi
  while cluster_exists; do
    now=$(kubectl get machines.cluster.x-k8s.io --namespace "$NAMESPACE" --selector "cluster.x-k8s.io/cluster-name=$CLUSTER" --output name 2> /dev/null | wc -l)
    if [[ $now != "$last" ]]; then
      say "waiting for cluster $CLUSTER to go: $now machines left"
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
    --namespace "$NAMESPACE" --selector "$label=$CLUSTER" --ignore-not-found > /dev/null
  say "cluster $CLUSTER is gone"
}
