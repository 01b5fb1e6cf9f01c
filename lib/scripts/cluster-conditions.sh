#!/bin/bash
# The HA cluster's conditions as Cluster API reports them on k3s, and the wait for them.
#   CLUSTER, NAMESPACE, READY_SECONDS; cluster.sh, cluster-failure.sh
# Upstream analogue: azimuth-ops role capi_cluster, whose conditions these are. Ours: ScalingUp and ControlPlaneMachinesReady,
# for Available is True as soon as the first control plane machine serves, and the last one is made but not yet joined when
# ScalingUp ends.

# With one control plane machine of three the API answers already, and work can go to the workers.
cluster_serves="ControlPlaneAvailable=True WorkersAvailable=True"
# Who is handed the cluster before has an etcd without a majority to lose.
cluster_complete="$cluster_serves Available=True RollingOut=False ScalingUp=False ControlPlaneMachinesReady=True ControlPlaneMachinesUpToDate=True WorkerMachinesUpToDate=True"
kinds=clusters.cluster.x-k8s.io,kubeadmcontrolplanes.controlplane.cluster.x-k8s.io,machinedeployments.cluster.x-k8s.io,helmreleases.addons.stackhpc.com,manifests.addons.stackhpc.com

# snapshot: tab-separated lines, "object" and then its "condition" lines. Messages may run over several lines.
snapshot() {
  kubectl get "$kinds" --namespace "$NAMESPACE" --selector "capi.stackhpc.com/cluster=$CLUSTER" --output \
    'jsonpath={range .items[*]}{"object\t"}{.kind}{"\t"}{.metadata.name}{"\t"}{.metadata.generation}{"\t"}{.status.observedGeneration}{"\t"}{.status.phase}{"\n"}{range .status.conditions[*]}{"condition\t"}{.type}{"\t"}{.status}{"\t"}{.reason}{"\t"}{.message}{"\n"}{end}{end}'
}

# unmet WANTED < SNAPSHOT: one line for each thing that is not yet as it has to be
unmet() {
  awk -F '\t' -v wanted="$1" -v cluster="$CLUSTER" '
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

# brief < UNMET: the first thing in a line that fits on a screen, and how many more there are
brief() { awk 'NR == 1 { first = length($0) > 120 ? substr($0, 1, 119) "…" : $0 } END { print first (NR > 1 ? " (and " NR - 1 " more)" : "") }'; }

# await_cluster WANTED: until all of it is so, and every worker and addon is there
await_cluster() {
  local end state pending last='' settled=
  use_cluster
  end=$(deadline "$READY_SECONDS")
  while :; do
    if state=$(snapshot 2>&1); then pending=$(unmet "$1" <<< "$state"); else pending="k3s does not answer: $state"; fi
    if [[ -z $pending ]]; then
      # Seen twice: the Cluster sums up its parts a moment after they change.
      [[ -z $settled ]] || break
      settled=yes
      sleep 3
      continue
    fi
    settled=
    if [[ $pending != "$last" ]]; then
      say "waiting for cluster $CLUSTER: $(brief <<< "$pending")"
      last=$pending
    fi
    if ! before "$end"; then
      say "$pending"
      show_failure
      fail "cluster $CLUSTER is not ready after $READY_SECONDS s (setting cluster.timeouts.ready)"
    fi
    sleep 2
  done
}

await_serving() { await_cluster "$cluster_serves"; }
await_complete() { await_cluster "$cluster_complete"; }
