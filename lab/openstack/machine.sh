#!/bin/bash
# machine.sh DIR: runs one machine until it is powered off. DIR holds machine.env, nics, up/ work/ root/ tmpfiles.d/, and
# containerd/ if it is a Kubernetes node. The overlay mount and the network namespace belong to this process tree: they go
# when it ends, however it ends.
M=$1; . "$M/machine.env"
CG=/sys/fs/cgroup

# Sets a value of a control group where the kernel has it.
limit() { [ ! -w "$1" ] || echo "$2" >"$1"; }

if [ "${LM_STAGE:-1}" != 2 ]; then
  # One control group a machine in each hierarchy: with --keep-unit --register=no all machines would share one.
  if [ -f $CG/cgroup.controllers ]; then
    G=$CG/$LM_NAME
    mkdir -p "$G"
    limit "$G/memory.max" "$LM_MEMORY"
    limit "$G/cpu.max" "$((LM_VCPUS * 100000)) 100000"
    echo $$ >"$G/cgroup.procs"
  else
    for c in "$CG"/*/; do
      [ -w "$c/cgroup.procs" ] && [ ! -L "${c%/}" ] || continue
      G=$c$LM_NAME
      mkdir -p "$G"
      for f in cpuset.cpus cpuset.mems; do [ ! -f "$c$f" ] || cat "$c$f" >"$G/$f"; done
      limit "$G/memory.limit_in_bytes" "$LM_MEMORY"
      limit "$G/cpu.shares" $((LM_VCPUS * 1024))
      limit "$G/cpu.cfs_quota_us" $((LM_VCPUS * 100000))
      echo $$ >"$G/cgroup.procs"
    done
  fi
  # The host's disks and memory, which root in the machine can mknod, cannot be opened. All else is open, because a privileged
  # container asks for every device, and any container to mknod every one: only a group that has them all may give them.
  # (--property=DeviceAllow does nothing with --keep-unit.)
  D=$CG/devices/$LM_NAME
  if [ -d "$D" ]; then
    {
      awk 'NR > 2 && $4 !~ /^(loop|ram|zram)/ { print "b " $1 ":* rw" }' /proc/partitions | sort -u
      printf 'c 1:%s rw\n' 1 2 4
    } | while read -r rule; do echo "$rule" >"$D/devices.deny"; done
  fi
  exec 9</proc/self/ns/net # the lab's network namespace, for stage 2
  LM_STAGE=2 exec unshare -m -n --propagation private "$0" "$M"
fi
echo $$ >"$M/runner.pid"
mount -t overlay overlay -o "lowerdir=$LM_BASE,upperdir=$M/up,workdir=$M/work" "$M/root" || exit 1
ip link set lo up
while read -r dev mac mtu tap br; do
  host() { nsenter --net=/proc/self/fd/9 "$@"; }
  host ip link del "$tap" 2>/dev/null
  host ip link add "$tap" mtu "$mtu" type veth peer name "$dev" address "$mac" mtu "$mtu" netns $$ || exit 1
  host ip link set "$tap" master "$br" up || exit 1
done <"$M/nics"
exec 9<&-
# no overlay can be mounted on an overlay: containerd's folder is one of the host's file system
binds=()
[ -d "$M/containerd" ] && binds=(--bind="$M/containerd:/var/lib/containerd")
while :; do
  echo "== $(date -Is) start $LM_NAME"
  # run inside the network namespace instead of --network-namespace-path: that would mount the host's sysfs;
  # runc joins session key rings, which nspawn's filter of system calls refuses by default
  systemd-nspawn -D "$M/root" --boot --register=no --keep-unit --machine="$LM_NAME" --hostname="$LM_HOSTNAME" \
    --uuid="$LM_UUID" --capability=all --system-call-filter=@keyring --setenv=MACHINE_MEMORY="$LM_MEMORY" \
    --resolv-conf=off --timezone=off --link-journal=no --console=read-only \
    --bind-ro="$M/tmpfiles.d:/run/tmpfiles.d" "${binds[@]}" </dev/null & N=$!
  echo $N >"$M/nspawn.pid"
  wait $N; rc=$?
  rm -f "$M/nspawn.pid"
  echo "== $(date -Is) ended, exit code $rc"
  [ $rc = 133 ] || break # 133: the machine asked for a reboot, which --keep-unit leaves to us
done
rm -f "$M/runner.pid"
