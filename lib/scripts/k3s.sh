#!/bin/bash
# k3s on the data volume: kernel settings, binary, configuration, unit, ready.
#   K3S_VERSION, K3S_SHA256, K3S_URL_AMD64/_ARM64, K3S_SUMS_AMD64/_ARM64, K3S_CONFIG, K3S_REGISTRIES, K3S_UNIT,
#   VOLUME_GUARD, SYSCTLS, READY_SECONDS; download.sh, data-volume.sh
# Upstream analogue: azimuth-ops roles k3s and sysctl_inotify.

k3s_bin=/usr/local/bin/k3s
changed=

# changes PATH MODE < CONTENT: write_file that remembers that k3s has to start anew
changes() {
  if write_file "$@"; then changed=yes; fi
}

apply_sysctls() {
  # shellcheck disable=SC2034 # value takes the rest of the line
  local line key value
  write_file /etc/sysctl.d/90-capi-mgmt.conf 0644 <<< "$SYSCTLS" || true
  while IFS='= ' read -r key value; do
    [[ -n $key ]] || continue
    if [[ $(sysctl -n "$key" 2> /dev/null) == "$value" ]]; then continue; fi
    if sysctl -q -w "$key=$value" 2> /dev/null; then continue; fi
    # A container sees the host's settings and may not change them.
    systemd-detect-virt --quiet --container || fail "could not set kernel setting $key to $value"
    say "warning: $key stays $(sysctl -n "$key" 2> /dev/null || echo unknown): this machine is a container"
  done <<< "$SYSCTLS"
}

install_k3s() {
  local url sums name sum
  case $(architecture) in
    amd64) url=$K3S_URL_AMD64 sums=$K3S_SUMS_AMD64 name=k3s ;;
    arm64) url=$K3S_URL_ARM64 sums=$K3S_SUMS_ARM64 name=k3s-arm64 ;;
  esac
  sum=$(expected_sum "$K3S_SHA256" "$sums" "$name")
  if ! has_sum "$k3s_bin" "$sum"; then
    say "installing k3s $K3S_VERSION"
    fetch_verified "$url" "$sum" "$k3s_bin"
    changed=yes
  fi
  chmod 0755 "$k3s_bin"
  # crictl and ctr; kubectl is a release of its own
  ln -sfn k3s /usr/local/bin/crictl
  ln -sfn k3s /usr/local/bin/ctr
}

configure_k3s() {
  changes /etc/rancher/k3s/config.yaml 0600 <<< "$K3S_CONFIG"
  changes /etc/rancher/k3s/registries.yaml 0600 <<< "$K3S_REGISTRIES"
  changes /usr/local/sbin/capi-mgmt-volume-guard 0755 <<< "$VOLUME_GUARD"
  changes /etc/systemd/system/k3s.service 0644 <<< "$K3S_UNIT"
  # The node's password belongs to the cluster's data: without it a new seed of the same name is refused
  # ("Node password rejected"), because k3s remembers the old one's.
  if [[ ! -L /etc/rancher/node ]]; then
    mkdir -p "$MOUNT_POINT/seed"
    if [[ -d /etc/rancher/node ]]; then cp -an /etc/rancher/node "$MOUNT_POINT/seed/" && rm -rf /etc/rancher/node; fi
    install -d -m 0700 "$MOUNT_POINT/seed/node"
    ln -sfn "$MOUNT_POINT/seed/node" /etc/rancher/node
  fi
}

k3s_failed() {
  systemctl status k3s --no-pager --lines=0 >&2 || true
  journalctl --unit k3s --no-pager --lines=40 --output=cat >&2 || true
  fail "$1"
}

start_k3s() {
  local end node
  end=$(deadline "$READY_SECONDS")
  systemctl daemon-reload
  systemctl enable --quiet k3s
  if [[ -n $changed ]]; then
    timeout "$READY_SECONDS" systemctl restart k3s || k3s_failed "k3s $K3S_VERSION does not start"
  else
    timeout "$READY_SECONDS" systemctl start k3s || k3s_failed "k3s $K3S_VERSION does not start"
  fi
  node=$(hostname)
  until "$k3s_bin" kubectl get --raw /readyz > /dev/null 2>&1 &&
    [[ $("$k3s_bin" kubectl get node "${node,,}" --output 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' 2> /dev/null) == True ]]; do
    if ! before "$end"; then
      "$k3s_bin" kubectl get nodes --output wide >&2 || true
      "$k3s_bin" kubectl get node "${node,,}" --output 'jsonpath={range .status.conditions[*]}{.type}={.status} {.reason} {.message}{"\n"}{end}' >&2 || true
      k3s_failed "k3s's node ${node,,} has not become Ready within $READY_SECONDS s"
    fi
    sleep 1
  done
}

on_create() {
  apply_sysctls
  data_volume
  install_k3s
  configure_k3s
  start_k3s
  say "k3s $K3S_VERSION is ready"
  echo "$K3S_VERSION"
}

# Stops k3s and lets go of the volume; what is on it stays.
on_delete() {
  local pid
  if [[ -f /etc/systemd/system/k3s.service ]]; then
    systemctl disable --quiet --now k3s || true
  fi
  # Containers outlive k3s on purpose (KillMode=process), and keep its file system busy.
  for pid in $(pgrep -f "^$MOUNT_POINT/data/[^/]*/bin/containerd-shim" || true); do
    # shellcheck disable=SC2046 # process ids, one word each
    kill -KILL $(descendants "$pid") "$pid" 2> /dev/null || true
  done
  awk -v data="$MOUNT_POINT" '$2 ~ "^(/run/k3s|/var/lib/kubelet/pods|/run/netns/cni-)" || index($2, data "/") == 1 { print $2 }' /proc/self/mounts |
    sort --reverse | while read -r path; do umount -l "$path" || true; done
  sync
  if mountpoint -q "$MOUNT_POINT"; then
    umount "$MOUNT_POINT" 2> /dev/null || umount -l "$MOUNT_POINT"
  fi
  say "k3s is stopped; its data stays on volume $VOLUME_ID"
}

descendants() {
  local child
  for child in $(pgrep -P "$1" || true); do
    descendants "$child"
    echo "$child"
  done
}
