#!/bin/bash
# The data volume: found by its id, given a file system if it is blank, grown, mounted at boot and now.
#   VOLUME_ID, VOLUME_GB, VOLUME_SECONDS; MOUNT_POINT, FILE_SYSTEM_LABEL
# Upstream analogue: azimuth-ops role k3s, which takes the device that Nova reports and else /dev/sdb.
: "${BY_ID:=/dev/disk/by-id}" "${FSTAB:=/etc/fstab}"

# find_volume: the device node of the volume. The name Nova reports is a hint only; these links carry the volume's id.
find_volume() {
  local link scsi=QEMU_QEMU_HARDDISK_
  # virtio-blk and virtio-scsi, with the serial number cut to 20 characters or whole; ESXi. As Cinder's CSI driver looks.
  for link in "virtio-${VOLUME_ID:0:20}" "virtio-$VOLUME_ID" "scsi-0$scsi${VOLUME_ID:0:20}" "scsi-0$scsi$VOLUME_ID" \
    "scsi-S$scsi$VOLUME_ID" "wwn-0x${VOLUME_ID//-/}"; do
    if [[ -e $BY_ID/$link ]]; then
      readlink -f "$BY_ID/$link"
      return
    fi
  done
  return 1
}

await_volume() {
  local end device
  end=$(deadline "$VOLUME_SECONDS")
  until device=$(find_volume); do
    # shellcheck disable=SC2012 # only shown
    before "$end" || fail "volume $VOLUME_ID has not appeared below $BY_ID within $VOLUME_SECONDS s; there are: $(ls "$BY_ID" 2> /dev/null | tr '\n' ' ')"
    sleep 1
  done
  echo "$device"
}

# probe DEVICE TAG: what the bytes on the device say, past every cache; empty if nothing
probe() { blkid --probe --output value --match-tag "$2" "$1" || true; }

# prepare_file_system DEVICE: makes one on a blank disk and refuses every disk that is not blank and not ours.
prepare_file_system() {
  local device=$1 state=0 type label table
  blkid --probe "$device" > /dev/null 2>&1 || state=$?
  case $state in
    0) ;;
    2)
      say "formatting the blank volume $VOLUME_ID ($device)"
      mkfs.xfs -q -L "$FILE_SYSTEM_LABEL" "$device" || fail "could not make a file system on $device"
      return
      ;;
    *) fail "volume $VOLUME_ID ($device) carries more than one signature; it is left as it is" ;;
  esac
  type=$(probe "$device" TYPE)
  label=$(probe "$device" LABEL)
  table=$(probe "$device" PTTYPE)
  if [[ $type != xfs || $label != "$FILE_SYSTEM_LABEL" ]]; then
    fail "volume $VOLUME_ID ($device) is not ours: expected an xfs labelled $FILE_SYSTEM_LABEL, found" \
      "${type:-no file system} labelled '${label}'${table:+ and a partition table ($table)}; it is left as it is." \
      "If it holds the k3s data of this site, label it: xfs_admin -L $FILE_SYSTEM_LABEL $device"
  fi
}

# await_size DEVICE: a volume that was just extended shows its new size a moment later.
await_size() {
  local end want=$((VOLUME_GB * 1024 * 1024 * 1024))
  end=$(deadline 60)
  until (($(blockdev --getsize64 "$1") >= want)); do
    if ! before "$end"; then
      say "warning: $1 shows less than $VOLUME_GB GiB; its file system grows with the next update"
      return
    fi
    sleep 2
  done
}

# mount_volume DEVICE: by UUID, at every boot before k3s may start. nofail keeps the seed reachable without it.
mount_volume() {
  local uuid entry
  uuid=$(probe "$1" UUID)
  [[ -n $uuid ]] || fail "the file system on $1 has no UUID"
  entry="UUID=$uuid $MOUNT_POINT xfs defaults,noatime,nofail,x-systemd.device-timeout=120s,x-systemd.before=k3s.service 0 0"
  if write_file "$FSTAB" 0644 <<< "$(awk -v at="$MOUNT_POINT" '$2 != at' "$FSTAB" && echo "$entry")"; then
    systemctl daemon-reload
  fi
  mkdir -p "$MOUNT_POINT"
  if ! mountpoint -q "$MOUNT_POINT"; then
    [[ -z $(ls -A "$MOUNT_POINT") ]] || fail "$MOUNT_POINT on the root disk is not empty: k3s has run there without its volume"
    # By UUID and not by device: this is what happens at boot, so it has to work.
    mount -t xfs -o defaults,noatime "UUID=$uuid" "$MOUNT_POINT" || fail "could not mount UUID=$uuid"
  fi
  xfs_growfs "$MOUNT_POINT" > /dev/null
  # What k3s's unit asks for before each start, so that it never runs on an empty root disk.
  write_file "$MOUNT_POINT/.capi-mgmt-volume" 0644 <<< "$VOLUME_ID" || true
}

data_volume() {
  local device
  device=$(await_volume)
  prepare_file_system "$device"
  await_size "$device"
  mount_volume "$device"
  say "volume $VOLUME_ID is mounted at $MOUNT_POINT"
}
