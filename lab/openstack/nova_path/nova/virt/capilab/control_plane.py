"""The Kubernetes control plane that a cluster's control plane servers stand for.

A server with the image or flavor property lab_machine=kubernetes whose user data writes SPEC_PATH is a member of the
cluster named there. While a member runs, one real API server runs in a network namespace of its own, on the tenant
network, with the address and MAC of the load balancer's VIP port; its data is kept until the last member is deleted.
Upstream analogue: the virtual machine on which kubeadm would start the control plane.
"""

import base64
import fcntl
import json
import os
import shutil
import signal
import time

import capi_lab_names
import yaml
from oslo_log import log as logging

from nova import exception
from nova.virt.capilab import host

LOG = logging.getLogger(__name__)
CLUSTERS = os.path.join(host.STATE, "clusters")
SPEC_PATH = "/run/kubeadm/lab-control-plane.json"
RUNNER = os.environ["CAPI_LAB_CONTROL_PLANE_RUNNER"]
REQUIRED = ("uid", "address", "prefixLength", "gateway", "portId", "networkId", "mac")


def spec_of(user_data):
    """The control plane's description in a server's user data (base64 cloud-config), or None."""
    if not user_data:
        return None
    try:
        document = yaml.safe_load(base64.b64decode(user_data))
    except (ValueError, yaml.YAMLError):
        return None
    if not isinstance(document, dict):
        return None
    for file in document.get("write_files") or []:
        if isinstance(file, dict) and file.get("path") == SPEC_PATH:
            content = file.get("content", "")
            if file.get("encoding") in ("b64", "base64"):
                content = base64.b64decode(content)
            spec = json.loads(content)
            missing = [name for name in REQUIRED if not spec.get(name)]
            if missing:
                raise exception.NovaException("%s lacks %s" % (SPEC_PATH, ", ".join(missing)))
            return spec
    return None


class ControlPlane:
    def __init__(self, uid):
        if not uid.replace("-", "").isalnum():
            raise exception.NovaException("cluster uid %r is no uid" % uid)
        self.uid = uid
        self.dir = os.path.join(CLUSTERS, uid)
        self.namespace = capi_lab_names.control_plane_namespace(uid)
        self.service = "control-plane-" + uid

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    # -- members -----------------------------------------------------------------------------------------------------
    def _members(self):
        try:
            with open(self.path("members.json")) as file:
                return json.load(file)
        except (OSError, ValueError):
            return {}

    def _change(self, change):
        """Applies `change` to {server id: runs}, under a lock, and starts or stops the API server accordingly."""
        os.makedirs(self.dir, mode=0o700, exist_ok=True)
        with open(os.path.join(CLUSTERS, ".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            members = self._members()
            change(members)
            if not members:
                self.stop()
                shutil.rmtree(self.dir, ignore_errors=True)
                return
            host.write(self.path("members.json"), json.dumps(members))
            if any(members.values()):
                self.start()
            else:
                self.stop()

    def join(self, server_id, spec, bridge):
        """A member was made: the first one brings the description of the cluster."""

        def change(members):
            if not os.path.exists(self.path("spec.json")):
                host.write(self.path("spec.json"), json.dumps(spec, indent=1), 0o600)
                host.write(self.path("bridge"), bridge)
            members[server_id] = True

        self._change(change)

    def set_running(self, server_id, runs):
        self._change(lambda members: members.update({server_id: runs}))

    def leave(self, server_id):
        self._change(lambda members: members.pop(server_id, None))

    # -- the process -------------------------------------------------------------------------------------------------
    def pid(self):
        pid = host.read_pid(self.path("pid"))
        return pid if pid and host.is_service(pid, self.service) else None

    def start(self):
        if self.pid():
            return
        if os.path.exists(self.path("pid")):
            os.unlink(self.path("pid"))
        with open(self.path("spec.json")) as file:
            spec = json.load(file)
        with open(self.path("bridge")) as file:
            self._plug(spec, file.read().strip())
        LOG.info("control plane of %s: starting in %s at %s", spec.get("cluster"), self.namespace, spec["address"])
        host.launch(self.service, [RUNNER, self.namespace, self.dir], self.path("k3s.log"))
        # the runner records itself; returning before that, the next member of the cluster would start a second one
        for _ in range(200):
            if self.pid():
                return
            time.sleep(0.05)
        raise exception.NovaException("the control plane's runner did not start: see %s" % self.path("k3s.log"))

    def stop(self):
        pid = self.pid()
        if pid:
            host.kill(pid, signal.SIGTERM)
            if not host.gone(pid, 15):
                host.kill(-pid)  # its whole process group
        if os.path.exists("/run/netns/" + self.namespace):
            host.sh("ip", "netns", "del", self.namespace, check=False)

    def _plug(self, spec, bridge):
        """The namespace's eth0 is the VIP port: same MAC, same address, on the tenant network's bridge."""
        host.ensure_bridge(bridge)
        if os.path.exists("/run/netns/" + self.namespace):
            host.sh("ip", "netns", "del", self.namespace)
        tap, inside = capi_lab_names.tap(spec["portId"]), ["ip", "-n", self.namespace]
        if tap in host.interfaces():
            host.sh("ip", "link", "del", tap, check=False)
        mtu = str(spec.get("mtu") or 1442)
        host.sh("ip", "netns", "add", self.namespace)
        host.sh("ip", "link", "add", tap, "mtu", mtu, "type", "veth", "peer", "name", "eth0",
                "address", spec["mac"], "mtu", mtu, "netns", self.namespace)  # fmt: skip
        host.sh("ip", "link", "set", tap, "master", bridge, "up")
        host.sh(*inside, "link", "set", "lo", "up")
        host.sh(*inside, "addr", "add", "%s/%s" % (spec["address"], spec["prefixLength"]), "dev", "eth0")
        host.sh(*inside, "link", "set", "eth0", "up")
        host.sh(*inside, "route", "add", "default", "via", spec["gateway"])
