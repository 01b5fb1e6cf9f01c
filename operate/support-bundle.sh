#!/bin/bash
# What a maintainer looks at, printed as parts for bin/support-bundle; as root on the seed, by standard input.
#   $1 the mark in front of each part's name, $2 name of the cluster's kubeconfig in the home of the seed's user
# Parts below secrets/ are for the scan alone: they are never written.
mark=$1
export LC_ALL=C KUBECONFIG

# limited COMMAND…: ends it after a minute; a function gets a shell of its own, and five
limited() {
  if [[ $(type -t "$1") == function ]]; then
    timeout 300 bash -c "$(declare -f "$1"); $(printf '%q ' "$@")"
  else
    timeout 60 "$@"
  fi
}

part() {
  local name=$1
  shift
  printf '\n%s %s\n' "$mark" "$name"
  limited "$@" 2>&1 || printf '(%s: exit code %s)\n' "$*" $?
}

logs_of_pods() {
  # Not Magnum's clusters: a tenant's names are a tenant's.
  kubectl get pods --all-namespaces --no-headers --output custom-columns=:metadata.namespace,:metadata.name |
    grep -v '^magnum-' | while read -r namespace pod; do
    printf -- '--- %s/%s\n' "$namespace" "$pod"
    kubectl logs --namespace "$namespace" "$pod" --all-containers --prefix --tail=200 2>&1
    kubectl logs --namespace "$namespace" "$pod" --all-containers --prefix --tail=50 --previous 2> /dev/null
  done
}

objects_of() {
  local kind
  for kind in $(kubectl api-resources "$@" --verbs=list --output name); do
    kubectl get "$kind" --all-namespaces --output yaml --ignore-not-found
    echo '---'
  done
}

cluster() {
  local name=$1
  KUBECONFIG=$2
  part "secrets/$name.json" kubectl get secrets --all-namespaces --field-selector type!=helm.sh/release.v1 --output json
  part "$name/version.txt" kubectl version
  part "$name/nodes.txt" kubectl get nodes --output wide
  part "$name/pods.txt" kubectl get pods --all-namespaces --output wide
  part "$name/workloads.txt" kubectl get deployments,statefulsets,daemonsets,jobs --all-namespaces --output wide
  part "$name/not-running.txt" kubectl describe pods --all-namespaces --field-selector status.phase!=Running
  part "$name/events.txt" kubectl get events --all-namespaces --sort-by=.metadata.creationTimestamp
  part "$name/cluster-api.yaml" objects_of --categories=cluster-api
  part "$name/orc.yaml" objects_of --api-group=openstack.k-orc.cloud
  part "$name/helm.yaml" helm list --all-namespaces --output yaml
  part "$name/logs.txt" logs_of_pods
}

part seed/system.txt bash -c 'uname -a; cat /etc/os-release; uptime; free -m; df -h; systemctl --failed --no-pager; systemctl list-timers --no-pager'
part seed/cloud-init.txt cloud-init status --long
part seed/cloud-init.log tail -n 500 /var/log/cloud-init.log
part seed/cloud-init-output.log tail -n 500 /var/log/cloud-init-output.log
part seed/k3s.log journalctl --unit k3s --no-pager --lines 1500
part secrets/seed bash -c 'cat /etc/rancher/k3s/registries.yaml /var/lib/rancher/k3s/server/token 2> /dev/null; true'
cluster k3s /etc/rancher/k3s/k3s.yaml
ha="$(getent passwd "${SUDO_USER:-root}" | cut -d: -f6)/$2"
[[ ! -f $ha ]] || cluster cluster "$ha"
printf '\n%s end\n' "$mark"
