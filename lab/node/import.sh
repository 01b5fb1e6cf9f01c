#!/bin/bash
# import.sh BIN ARCHIVE STORE PAUSE: unpacks the images of an OCI archive into STORE, a containerd root, with containerd itself.
# STORE is linked into each machine: an image is unpacked once whatever the machines.
set -euo pipefail
BIN=$1 ARCHIVE=$2 STORE=$3 PAUSE=$4
rm -rf "$STORE"
mkdir -p "$STORE"
run=$(mktemp -d)
cat >"$run/config.toml" <<END
version = 3
root = '$STORE'
state = '$run/state'
disabled_plugins = ['io.containerd.cri.v1.images', 'io.containerd.cri.v1.runtime', 'io.containerd.grpc.v1.cri']
[grpc]
  address = '$run/socket'
[ttrpc]
  address = '$run/socket.ttrpc'
END
unshare -m -n --propagation private "$BIN/containerd" --config "$run/config.toml" >"$run/containerd.log" 2>&1 &
containerd=$!
finish() {
  code=$?
  [ $code = 0 ] || tail -n 20 "$run"/*.log
  kill $containerd
  wait $containerd || true
  rm -rf "$run"
}
trap finish EXIT
# its warnings, one a call, are of use only when something fails
ctr() { "$BIN/ctr" -a "$run/socket" -n k8s.io "$@" 2>>"$run/ctr.log"; }
for _ in $(seq 300); do ctr version >/dev/null && break; sleep 0.1; done
ctr images import --local --discard-unpacked-layers --snapshotter overlayfs "$ARCHIVE" >/dev/null
# as the kubelet's image service would have left them; pause is never collected
names=$(ctr images ls -q)
for name in $names; do ctr images label "$name" io.cri-containerd.image=managed >/dev/null; done
ctr images label "$PAUSE" io.cri-containerd.pinned=pinned >/dev/null
# the layers are unpacked: only then the packed ones go, half of the store
ctr content prune references >/dev/null
for _ in $(seq 60); do
  [ "$(du -sm "$STORE/io.containerd.content.v1.content" | cut -f1)" -lt 10 ] && break
  sleep 0.5
done
echo "$names"
