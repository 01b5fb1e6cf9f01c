#!/bin/bash
# machine.sh DIR: runs one machine until it is powered off. DIR holds machine.env, nics, devices, up/ work/ root/ tmpfiles.d/.
# The overlay mount and the network namespace belong to this process tree: they go when it ends, however it ends.
M=$1; . "$M/machine.env"
CG=/sys/fs/cgroup
if [ "${LM_STAGE:-1}" != 2 ]; then
  # One control group a machine in each hierarchy: with --keep-unit --register=no all machines would share one.
  if [ -f $CG/cgroup.controllers ]; then
    mkdir -p "$CG/$LM_NAME" && echo $$ >"$CG/$LM_NAME/cgroup.procs"
  else
    for c in "$CG"/*/; do
      [ -w "$c/cgroup.procs" ] || continue
      # cpuset needs cpus and mems written first; nothing here is limited
      case $c in */cpuset/|*/cpu/|*/cpuacct/) continue;; esac
      mkdir -p "$c/$LM_NAME" && echo $$ >"$c/$LM_NAME/cgroup.procs"
    done
  fi
  # Without this the machine could mknod and read the host's disks: --property=DeviceAllow does nothing with --keep-unit.
  D=$CG/devices/$LM_NAME
  if [ -d "$D" ]; then
    echo a >"$D/devices.deny"
    for r in 'c *:* m' 'b *:* m' 'c 1:3 rwm' 'c 1:5 rwm' 'c 1:7 rwm' 'c 1:8 rwm' 'c 1:9 rwm' 'c 1:11 rwm' 'c 5:0 rwm' \
      'c 5:1 rwm' 'c 5:2 rwm' 'c 136:* rwm' 'c 10:200 rwm' 'c 10:229 rwm'; do echo "$r" >"$D/devices.allow"; done
    [ -f "$M/devices" ] && while read -r mm; do echo "b $mm rwm" >"$D/devices.allow"; done <"$M/devices"
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
while :; do
  echo "== $(date -Is) start $LM_NAME"
  # run inside the network namespace instead of --network-namespace-path: that would mount the host's sysfs
  systemd-nspawn -D "$M/root" --boot --register=no --keep-unit --machine="$LM_NAME" --hostname="$LM_HOSTNAME" \
    --uuid="$LM_UUID" --capability=all --resolv-conf=off --timezone=off --link-journal=no --console=read-only \
    --bind-ro="$M/tmpfiles.d:/run/tmpfiles.d" </dev/null & N=$!
  echo $N >"$M/nspawn.pid"
  wait $N; rc=$?
  rm -f "$M/nspawn.pid"
  echo "== $(date -Is) ended, exit code $rc"
  [ $rc = 133 ] || break # 133: the machine asked for a reboot, which --keep-unit leaves to us
done
rm -f "$M/runner.pid"
