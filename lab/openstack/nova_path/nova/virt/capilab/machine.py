"""A server that is really booted: a systemd-nspawn machine on an overlay of the seed's base tree.

Files: CAPI_LAB_STATE/machines/<server id>/{up,work,root,console.log,nics,devices,machine.env,tmpfiles.d}; machine.sh runs it.
Upstream analogue: nova.virt.libvirt's guest and config drive.
"""

import base64
import json
import os
import signal
import time

from nova import exception
from nova.virt.capilab import host

MACHINES = os.path.join(host.STATE, "machines")
CGROUPS = "/sys/fs/cgroup"
UNIFIED = os.path.exists(CGROUPS + "/cgroup.controllers")
RUNNER = os.environ["CAPI_LAB_MACHINE_RUNNER"]
# orderly power off: k3s on the seed needs 3-5 s to close its database
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
        for attempt in range(200):
            if self.leader():
                return
            if attempt > 40 and not self.runner():
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
    def prepare(self, instance, network_info, base):
        """Writes the overlay's cloud-init seed, the list of network cards and the runner's settings."""
        for name in ("up", "work", "root", "tmpfiles.d"):
            os.makedirs(self.path(name), exist_ok=True)
        os.chmod(self.path("up"), 0o755)
        cards, ethernets, resolvers = [], {}, []
        for index, vif in enumerate(network_info or []):
            device = "ens%d" % (3 + index)
            bridge = host.ensure_bridge(vif["network"]["bridge"])
            mtu = (vif["network"].get("meta") or {}).get("mtu") or 1500
            cards.append("%s %s %s tap%s %s\n" % (device, vif["address"], mtu, vif["id"][:11], bridge))
            ethernets[device] = ethernet(vif["network"], mtu, first=index == 0)
            resolvers += ethernets[device]["nameservers"]["addresses"]
        host.write(self.path("nics"), "".join(cards))
        hostname = instance.hostname or "lab"
        host.write(
            self.path("machine.env"),
            "LM_NAME=%s\nLM_HOSTNAME=%s\nLM_UUID=%s\nLM_BASE=%s\n"
            % (self.name, hostname, self.uuid.replace("-", ""), base),
        )
        self._cloud_init(instance, hostname, ethernets)
        if not os.path.exists(self.path("up", "etc/machine-id")):
            host.write(self.path("up", "etc/machine-id"), self.uuid.replace("-", "") + "\n", 0o444)
        host.write(self.path("up", "etc/resolv.conf"), "".join("nameserver %s\n" % r for r in resolvers))

    def _cloud_init(self, instance, hostname, ethernets):
        """The NoCloud data source. JSON is YAML."""
        metadata = {
            "instance-id": self.uuid,
            "local-hostname": hostname,
            "hostname": hostname,
            "availability-zone": instance.availability_zone,
            "name": instance.display_name,
            "meta": dict(instance.metadata or {}),
        }
        if instance.key_data:
            metadata["public-keys"] = [instance.key_data.strip()]
        user_data = base64.b64decode(instance.user_data) if instance.user_data else b"#cloud-config\n{}\n"
        seed = self.path("up", "var/lib/cloud/seed/nocloud")
        host.write(seed + "/meta-data", json.dumps(metadata, indent=1) + "\n")
        host.write(seed + "/user-data", user_data, 0o600)
        host.write(seed + "/network-config", json.dumps({"version": 2, "ethernets": ethernets}, indent=1) + "\n")
        properties = instance.system_metadata or {}
        user = properties.get("image_lab_user") or properties.get("image_os_admin_user") or "ubuntu"
        settings = {
            "datasource_list": ["NoCloud"],
            "manage_etc_hosts": True,
            "locale": "C.UTF-8",
            "apt": {"preserve_sources_list": True},
            "system_info": {
                "default_user": {
                    "name": user,
                    "lock_passwd": True,
                    "gecos": "Lab",
                    "sudo": ["ALL=(ALL) NOPASSWD:ALL"],
                    "shell": "/bin/bash",
                }
            },
        }
        host.write(self.path("up", "etc/cloud/cloud.cfg.d/99-lab.cfg"), json.dumps(settings, indent=1) + "\n")

    def devices(self, volumes):
        """Block devices and their links, made at every start of the machine: there is no udev in it."""
        lines = ["d /dev/disk 0755 root root -", "d /dev/disk/by-id 0755 root root -"]
        for volume_id, volume in volumes.items():
            for node in (volume["dev"], volume["loop"]):
                lines.append("b %s 0660 root disk - %s" % (node, volume["mm"]))
            name = os.path.basename(volume["dev"])
            lines.append("L+ /dev/disk/by-id/virtio-%s - - - - ../../%s" % (volume_id[:20], name))
        host.write(self.path("tmpfiles.d", "lab-volumes.conf"), "\n".join(lines) + "\n")
        host.write(self.path("devices"), "".join(volume["mm"] + "\n" for volume in volumes.values()))

    def plug(self, volume_id, volume, add):
        """The same in the running machine."""
        if not self.runner():
            return
        rules = "%s/devices/%s/devices.%s" % (CGROUPS, self.name, "allow" if add else "deny")
        if os.path.exists(rules):
            with open(rules, "w") as file:
                file.write("b %s rwm" % volume["mm"])
        leader = self.leader()
        if not leader:
            return
        link = "/dev/disk/by-id/virtio-" + volume_id[:20]
        nodes = "%s %s" % (volume["dev"], volume["loop"])
        if add:
            script = (
                "mkdir -p /dev/disk/by-id; for d in %s; do [ -b $d ] || mknod $d b %s; chmod 660 $d; chgrp disk $d; done;"
                " ln -sfn ../../%s %s" % (nodes, volume["mm"].replace(":", " "), os.path.basename(volume["dev"]), link)
            )
        else:
            script = "rm -f %s %s" % (link, nodes)
        host.sh("nsenter", "-t", str(leader), "-m", "/bin/sh", "-c", script, check=add)

    def console(self, size=100000):
        try:
            with open(self.path("console.log"), "rb") as file:
                file.seek(0, 2)
                file.seek(max(0, file.tell() - size))
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""


def ethernet(network, mtu, first):
    """netplan's settings of one card.

    No `match: macaddress`: netplan makes PermanentMACAddress= of it, which a veth does not have. accept-ra off: networkd
    would hold network-online back for 12 s, waiting for a router advertisement.
    """
    card = {
        "accept-ra": False,
        "mtu": mtu,
        "dhcp4": False,
        "dhcp6": False,
        "addresses": [],
        "routes": [],
        "nameservers": {"addresses": []},
    }
    for subnet in network["subnets"]:
        length = subnet["cidr"].split("/")[1]
        card["addresses"] += ["%s/%s" % (ip["address"], length) for ip in subnet["ips"]]
        card["routes"] += [
            {"to": route["cidr"], "via": route["gateway"]["address"]}
            for route in subnet["routes"] or []
            if route.get("gateway")
        ]
        gateway = (subnet["gateway"] or {}).get("address")
        if gateway and first:
            card["routes"].append({"to": "::/0" if subnet["version"] == 6 else "0.0.0.0/0", "via": gateway})
        card["nameservers"]["addresses"] += [resolver["address"] for resolver in subnet["dns"]]
    return card
