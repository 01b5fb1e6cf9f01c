"""Which trees a machine boots on: layers that `prepare` made, and for a node the preloaded image store.

CAPI_LAB_NODE_BASE holds machine/ (what every machine has above Debian) and a folder for each Kubernetes version with tree/
(its programs and units) and store/ (a containerd root). Upstream analogue: the images that Glance holds.
"""

import os
import re
import shutil

from nova import exception
from nova.virt.capilab import host

BOOTED = ("nspawn", "node")


def kind_of(instance):
    """What becomes of a server, by its image's property lab_machine, else by its flavor's extra spec lab:machine.

    `nspawn`: a machine as the seed is; `node`: one with Kubernetes on it; else `fake`. Read from system_metadata, because Nova's
    ImageMeta drops properties it does not know.
    """
    specs = (instance.flavor.extra_specs or {}) if instance.flavor else {}
    wanted = (instance.system_metadata or {}).get("image_lab_machine") or specs.get("lab:machine")
    return wanted if wanted in BOOTED else "fake"


def number(version):
    return tuple(int(part) for part in re.findall(r"\d+", version))


def release(wanted, present):
    """The version `wanted` (with or without its v) of those `present`, the newest if none is wanted."""
    if not wanted:
        return max(present, key=number)
    for version in present:
        if number(version) == number(wanted):
            return version
    raise exception.NovaException("no node tree of Kubernetes %s; there are: %s" % (wanted, ", ".join(sorted(present))))


def trees_of(instance):
    """([layers, the uppermost first], image store or None) of a server that is booted."""
    base, nodes = os.environ["CAPI_LAB_SEED_BASE"], os.environ["CAPI_LAB_NODE_BASE"]
    layers, store = [os.path.join(nodes, "machine"), base], None
    if kind_of(instance) == "node":
        present = [name for name in os.listdir(nodes) if name.startswith("v")] if os.path.isdir(nodes) else []
        if not present:
            raise exception.NovaException("there is no node tree in %s: npm run lab -- prepare" % nodes)
        folder = os.path.join(nodes, release((instance.system_metadata or {}).get("image_kube_version"), present))
        layers, store = [os.path.join(folder, "tree"), *layers], os.path.join(folder, "store")
    for layer in layers:
        if not os.path.isdir(layer):
            raise exception.NovaException("the tree %s is not there: npm run lab -- prepare" % layer)
    return layers, store


def link_store(store, target):
    """A copy of an image store by hard links, so that layers cost nothing a machine; its data bases are copied."""
    shutil.rmtree(target, ignore_errors=True)
    # another file system than the cache's: then the layers are copied, too
    if host.sh("sh", "-c", 'cp -al "$0" "$1" 2>/dev/null || echo copy', store, target).strip():
        shutil.rmtree(target, ignore_errors=True)
        host.sh("cp", "-a", "--reflink=auto", store, target)
    for folder, _folders, files in os.walk(store):
        for name in files:
            if name.endswith(".db"):
                source = os.path.join(folder, name)
                host.sh("cp", "--remove-destination", source, os.path.join(target, os.path.relpath(source, store)))
