"""Volumes as block devices: each is a file behind a loop device, named in the machine as libvirt and udev would name it.

Upstream analogue: nova.virt.libvirt.volume, and udev's rules in the image.
"""

import os
import threading

from nova import context, exception, objects
from nova.virt.capilab import host

_lock = threading.RLock()


def id_of(connection_info):
    return connection_info.get("serial") or connection_info["data"]["volume_id"]


def loops_of(path, check=True):
    return host.sh("losetup", "-n", "-O", "NAME", "-j", path, check=check).split()


def loop(connection_info):
    """The loop device of a volume's file, made if there is none; loop numbers may change between starts."""
    path = connection_info["data"].get("device_path")
    if not path or not os.path.exists(path):
        raise exception.NovaException("volume %s has no file" % connection_info.get("serial"))
    with _lock:
        read_only = ["-r"] if connection_info["data"].get("access_mode") == "ro" else []
        device = (loops_of(path) or [host.sh("losetup", "-f", "--show", *read_only, path).strip()])[0]
    numbers = os.stat(device).st_rdev
    return {"loop": device, "mm": "%d:%d" % (os.major(numbers), os.minor(numbers)), "path": path}


def release(path):
    for device in loops_of(path, check=False):
        host.sh("losetup", "-d", device, check=False)


def tags_of(uuid):
    """{volume id: tag} of a server's block devices; Cluster API names a machine's additional disks by tags."""
    mappings = objects.BlockDeviceMappingList.get_by_instance_uuid(context.get_admin_context(), uuid)
    return {mapping.volume_id: mapping.tag for mapping in mappings if mapping.volume_id and mapping.tag}


def links(volume_id, volume):
    """Paths of the links to a volume's device: udev's by id, and by tag as images for Cluster API have them."""
    paths = ["/dev/disk/by-id/virtio-" + volume_id[:20]]
    if volume.get("tag"):
        paths.append("/dev/disk/openstack/by-tag/" + volume["tag"])
    return paths


def tmpfiles(volumes):
    """systemd-tmpfiles' lines: the devices at every start of the machine, in which there is no udev."""
    lines = []
    for volume_id, volume in volumes.items():
        for node in (volume["dev"], volume["loop"]):
            lines.append("b %s 0660 root disk - %s" % (node, volume["mm"]))
        for path in links(volume_id, volume):
            folders = path.split("/")[2:-1]
            lines += ["d /dev/%s 0755 root root -" % "/".join(folders[: depth + 1]) for depth in range(len(folders))]
            lines.append("L+ %s - - - - %s" % (path, volume["dev"]))
    return "".join(line + "\n" for line in dict.fromkeys(lines))


def plug_script(volume_id, volume, add):
    """The same for a running machine, as a shell script that runs in it."""
    nodes, paths = "%s %s" % (volume["dev"], volume["loop"]), links(volume_id, volume)
    if not add:
        return "rm -f %s %s" % (" ".join(paths), nodes)
    made = "for d in %s; do [ -b $d ] || mknod $d b %s; chmod 660 $d; chgrp disk $d; done" % (
        nodes,
        volume["mm"].replace(":", " "),
    )
    linked = ["mkdir -p %s; ln -sfn %s %s" % (os.path.dirname(path), volume["dev"], path) for path in paths]
    return "; ".join([made, *linked])
