"""Cinder driver: each volume is a sparse file CAPI_LAB_STATE/volumes/<id>.img that the virt driver attaches by a loop device.

Built on Cinder's own fake driver, which has no export to make; what it does not do: encryption, and the bytes of an
image in a volume made from one (such a volume is empty).
Upstream analogue: cinder.volume.drivers.lvm.
"""

import os
import subprocess

from cinder.tests import fake_driver

VOLUMES = os.path.join(os.environ["CAPI_LAB_STATE"], "volumes")
GIB = 1 << 30


def path_of(name):
    return os.path.join(VOLUMES, name + ".img")


def make(name, gib):
    """Creates or grows a volume's file to `gib` GiB."""
    with open(path_of(name), "ab") as file:
        file.truncate(gib * GIB)


def copy(source, target, gib):
    """Copies a volume or snapshot, keeping holes; the result has at least `gib` GiB."""
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", path_of(source), path_of(target)], check=True)
    with open(path_of(target), "ab") as file:
        file.truncate(max(gib * GIB, os.path.getsize(path_of(target))))


def remove(name):
    """Removes a file and the loop devices that a killed machine left on it."""
    listed = subprocess.run(
        ["losetup", "-n", "-O", "NAME", "-j", path_of(name)], check=False, capture_output=True, text=True
    )
    for device in listed.stdout.split():
        subprocess.run(["losetup", "-d", device], check=False)
    if os.path.exists(path_of(name)):
        os.unlink(path_of(name))


class FileVolumeDriver(fake_driver.FakeLoggingVolumeDriver):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        os.makedirs(VOLUMES, exist_ok=True)

    def create_volume(self, volume):
        make(volume.id, volume.size)
        return super().create_volume(volume)

    def delete_volume(self, volume):
        remove(volume.id)

    def extend_volume(self, volume, new_size):
        make(volume.id, new_size)

    def create_snapshot(self, snapshot):
        copy(snapshot.volume_id, "snap-" + snapshot.id, 0)

    def delete_snapshot(self, snapshot):
        remove("snap-" + snapshot.id)

    def create_volume_from_snapshot(self, volume, snapshot):
        copy("snap-" + snapshot.id, volume.id, volume.size)

    def create_cloned_volume(self, volume, src_vref):
        copy(src_vref.id, volume.id, volume.size)

    def clone_image(self, context, volume, image_location, image_meta, image_service):
        make(volume.id, volume.size)
        return {}, True

    def copy_image_to_volume(self, context, volume, image_service, image_id, disable_sparse=False):
        make(volume.id, volume.size)

    def initialize_connection(self, volume, connector):
        info = super().initialize_connection(volume, connector)
        return {
            "driver_volume_type": "local",
            "data": dict(info["data"], device_path=path_of(volume.id), volume_id=volume.id),
        }
