"""A server that is really booted: a systemd-nspawn machine on an overlay of prepared trees.

Files: CAPI_LAB_STATE/machines/<server id>/{up,work,root,console.log,nics,machine.env,tmpfiles.d}, of a node also containerd;
machine.sh runs it.
Upstream analogue: nova.virt.libvirt's guest.
"""

import os
import signal
import time

import capi_lab_links as links

from nova import exception
from nova.virt.capilab import cloud_init, host, trees, volumes

MACHINES = os.path.join(host.STATE, "machines")
CGROUPS = "/sys/fs/cgroup"
UNIFIED = os.path.exists(CGROUPS + "/cgroup.controllers")
RUNNER = os.environ["CAPI_LAB_MACHINE_RUNNER"]
# until pid 1 runs: 1 s on an idle host, more when many machines start at once on few processors
START_SECONDS = 60
# orderly power off: a control plane takes 12 s, k3s on the seed 3-5 s to close its database
STOP_SECONDS = 20


class Machine:
    def __init__(self, uuid):
        self.uuid = uuid
        self.dir = os.path.join(MACHINES, uuid)
        self.name = "lab-" + uuid[:18]
        self.service = "machine-" + uuid

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    # -- processes ---------------------------------------------------------------------------------------------------
    def runner(self):
        """Pid of the runner if it lives."""
        pid = host.read_pid(self.path("runner.pid"))
        return pid if pid and host.is_service(pid, self.service) else None

    def nspawn(self):
        return host.read_pid(self.path("nspawn.pid")) if self.runner() else None

    def leader(self):
        """Pid 1 of the machine, as the host sees it."""
        pid = self.nspawn()
        try:
            with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
                return int(file.read().split()[0])
        except (OSError, TypeError, IndexError, ValueError):
            return None

    def start(self):
        if self.runner():
            return
        for name in ("runner.pid", "nspawn.pid"):
            if os.path.exists(self.path(name)):
                os.unlink(self.path(name))
        host.launch(self.service, [RUNNER, self.dir], self.path("console.log"))
        begun = time.monotonic()
        while time.monotonic() - begun < START_SECONDS:
            if self.leader():
                return
            if time.monotonic() - begun > START_SECONDS / 3 and not self.runner():
                break
            time.sleep(0.05)
        raise exception.NovaException("machine %s did not start: %s" % (self.name, self.console(2000)))

    def stop(self, orderly=True):
        nspawn = self.nspawn()
        if self.runner() and self.frozen():
            self.freeze(False)
        if orderly and nspawn:
            host.kill(nspawn, signal.SIGTERM)  # nspawn asks the machine's systemd to power off
            end = time.monotonic() + STOP_SECONDS
            while time.monotonic() < end and self.runner():
                time.sleep(0.1)
        for who in (self.leader, self.runner):
            pid = who()
            if pid:
                host.kill(pid)
                host.gone(pid, 2.5)
        if nspawn and os.path.exists("/proc/%d" % nspawn):
            host.kill(nspawn)
        self.clean_cgroups()

    # -- control groups ----------------------------------------------------------------------------------------------
    def _freezer(self):
        if UNIFIED:
            return "%s/%s/cgroup.freeze" % (CGROUPS, self.name)
        return "%s/freezer/%s/freezer.state" % (CGROUPS, self.name)

    def frozen(self):
        try:
            with open(self._freezer()) as file:
                return file.read().strip() not in ("THAWED", "0")
        except OSError:
            return False

    def freeze(self, on):
        with open(self._freezer(), "w") as file:
            file.write(("1" if on else "0") if UNIFIED else ("FROZEN" if on else "THAWED"))

    def clean_cgroups(self):
        tops = [CGROUPS] if UNIFIED else [os.path.join(CGROUPS, name) for name in os.listdir(CGROUPS)]
        for top in (os.path.join(parent, self.name) for parent in tops):
            for _ in range(40):
                if not os.path.isdir(top):
                    break
                for folder, _folders, _files in os.walk(top, topdown=False):
                    try:
                        os.rmdir(folder)
                    except OSError:
                        pass
                if os.path.isdir(top):
                    time.sleep(0.05)

    # -- what the machine finds when it boots ------------------------------------------------------------------------
    def settings(self, instance, layers):
        """The runner's settings; a resize changes them."""
        settings = {
            "NAME": self.name,
            "HOSTNAME": instance.hostname or "lab",
            "UUID": self.uuid.replace("-", ""),
            "BASE": ":".join(layers),
            "MEMORY": instance.flavor.memory_mb << 20,
            "VCPUS": instance.flavor.vcpus,
        }
        host.write(self.path("machine.env"), "".join("LM_%s=%s\n" % pair for pair in settings.items()))

    def prepare(self, instance, network_info, store):
        """Writes the overlay's cloud-init seed and the list of network cards; links the image store."""
        for name in ("up", "work", "root", "tmpfiles.d"):
            os.makedirs(self.path(name), exist_ok=True)
        os.chmod(self.path("up"), 0o755)
        cards, ethernets, resolvers = [], {}, []
        for index, vif in enumerate(network_info or []):
            device = "ens%d" % (3 + index)
            bridge = links.ensure_bridge(vif["network"]["bridge"])
            mtu = (vif["network"].get("meta") or {}).get("mtu") or 1500
            cards.append("%s %s %s tap%s %s\n" % (device, vif["address"], mtu, vif["id"][:11], bridge))
            ethernets[device] = cloud_init.ethernet(vif["network"], mtu, first=index == 0)
            resolvers += ethernets[device]["nameservers"]["addresses"]
        host.write(self.path("nics"), "".join(cards))
        cloud_init.write_files(self.path("up"), instance, ethernets)
        if store and not os.path.exists(self.path("containerd")):
            trees.link_store(store, self.path("containerd"))
        if not os.path.exists(self.path("up", "etc/machine-id")):
            host.write(self.path("up", "etc/machine-id"), self.uuid.replace("-", "") + "\n", 0o444)
        host.write(self.path("up", "etc/resolv.conf"), "".join("nameserver %s\n" % r for r in resolvers))

    def devices(self, volumes_by_id):
        host.write(self.path("tmpfiles.d", "lab-volumes.conf"), volumes.tmpfiles(volumes_by_id))

    def plug(self, volume_id, volume, add):
        """The same in the running machine."""
        if not self.runner():
            return
        leader = self.leader()
        if not leader:
            return
        script = volumes.plug_script(volume_id, volume, add)
        host.sh("nsenter", "-t", str(leader), "-m", "/bin/sh", "-c", script, check=add)

    def console(self, size=100000):
        try:
            with open(self.path("console.log"), "rb") as file:
                file.seek(0, 2)
                file.seek(max(0, file.tell() - size))
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""
