"""A load balancer on the host: HAProxy in a network namespace whose eth0 is the VIP port.

The namespace is on the tenant network's bridge with the port's MAC and address, so the network agent's security groups and
floating IPs hold for it. Its folder has all it takes to bring it back after the lab was stopped, and outlives the worker.
Upstream analogue: the amphora, a virtual machine with HAProxy.
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import time

import capi_lab_links as links
import capi_lab_names as names

SERVICE_VARIABLE = "CAPI_MGMT_LAB_SERVICE"
# Relative to the folder HAProxy starts in: a socket's path has at most 107 bytes, a project's folder may be long.
SOCKET = "haproxy.sock"
PATIENCE = 15


def run(*command, **options):
    """A command's output; a failure is an error with the command's own words."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, **options)
    if done.returncode:
        raise RuntimeError("%s: exit code %s: %s" % (" ".join(command), done.returncode, done.stderr.strip()))
    return done.stdout


def plug_commands(namespace, port):
    """What makes the namespace with eth0 as the VIP port: same MAC, address and gateway, on the network's bridge."""
    tap, mtu, inside = names.tap(port["id"]), str(port["mtu"]), ["ip", "-n", namespace]
    commands = [
        ["ip", "netns", "add", namespace],
        ["ip", "link", "add", tap, "mtu", mtu, "type", "veth", "peer", "name", "eth0",
         "address", port["mac"], "mtu", mtu, "netns", namespace],
        ["ip", "link", "set", tap, "master", port["bridge"], "up"],
        [*inside, "link", "set", "lo", "up"],
        [*inside, "addr", "add", port["address"], "dev", "eth0"],
        [*inside, "link", "set", "eth0", "up"],
    ]  # fmt: skip
    return commands + ([[*inside, "route", "add", "default", "via", port["gateway"]]] if port["gateway"] else [])


class Balancer:
    def __init__(self, base, load_balancer_id):
        self.dir = os.path.join(base, load_balancer_id)
        self.lock_file = os.path.join(base, ".lock")
        self.namespace = names.balancer_namespace(load_balancer_id)
        self.service = "balancer-" + load_balancer_id

    def path(self, name):
        return os.path.join(self.dir, name)

    def read(self, name):
        try:
            with open(self.path(name)) as file:
                return file.read()
        except OSError:
            return ""

    def write(self, name, text):
        with open(self.path(name + ".new"), "w") as file:
            file.write(text)
        os.replace(file.name, self.path(name))

    @contextlib.contextmanager
    def locked(self):
        """The worker and the health manager are two processes."""
        with open(self.lock_file, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    # -- what the drivers ask for ------------------------------------------------------------------------------------
    def plug(self, amphora_id, port):
        """Records the VIP port ({id, mac, address with prefix, gateway, bridge, mtu}) and makes the namespace."""
        os.makedirs(self.dir, mode=0o700, exist_ok=True)
        with self.locked():
            self.write("port.json", json.dumps(port))
            self.write("amphora", amphora_id)
            self._ensure_namespace()

    def configure(self, amphora_id, config):
        """Runs HAProxy with this configuration: reloaded, or anew if it runs for another amphora (a failover)."""
        with self.locked():
            self.write("next.cfg", config)
            run("haproxy", "-c", "-f", "next.cfg", cwd=self.dir)
            changed = config != self.read("haproxy.cfg")
            if self.amphora() != amphora_id:
                self._end()
            self.write("haproxy.cfg", config)
            self.write("amphora", amphora_id)
            if self.pid() and changed:
                self._reload()
            self._ensure()

    def ensure(self):
        """Brings back what is missing of namespace and process; a balancer without listeners has no process."""
        with self.locked():
            if os.path.exists(self.path("port.json")):
                self._ensure()

    def stop(self):
        """The last listener went."""
        with self.locked():
            self._end()
            self.write("haproxy.cfg", "")

    def remove(self):
        """Ends and removes all there is of it."""
        if os.path.exists(self.dir):
            with self.locked():
                self._end()
                if self.namespace in links.namespaces():
                    run("ip", "netns", "del", self.namespace)
                shutil.rmtree(self.dir)

    def amphora(self):
        return self.read("amphora")

    # -- namespace and process ---------------------------------------------------------------------------------------
    def _ensure_namespace(self):
        port = json.loads(self.read("port.json"))
        if self.namespace in links.namespaces() and names.tap(port["id"]) in links.interfaces():
            return
        self._end()
        for kind, name, there in (
            ("netns", self.namespace, links.namespaces()),
            ("link", names.tap(port["id"]), links.interfaces()),
        ):
            if name in there:
                links.run("ip", kind, "del", name, check=False)
        links.ensure_bridge(port["bridge"])
        for command in plug_commands(self.namespace, port):
            run(*command)

    def _ensure(self):
        self._ensure_namespace()
        if self.read("haproxy.cfg") and not self.pid():
            self._start()

    def pid(self):
        """Process id of HAProxy's master, if it lives (pids are used again)."""
        try:
            pid = int(self.read("haproxy.pid"))
            with open("/proc/%d/environ" % pid, "rb") as file:
                ours = (SERVICE_VARIABLE + "=" + self.service).encode() in file.read().split(b"\0")
            with open("/proc/%d/stat" % pid) as file:
                return pid if ours and file.read().rpartition(")")[2].split()[0] != "Z" else None
        except (OSError, ValueError):
            return None

    def _start(self):
        """In a session of its own, so that it outlives the worker and `lab stop` knows it by its environment."""
        command = ["setsid", "-f", "nsenter", "--net=/run/netns/" + self.namespace, "--", "haproxy", "-Ws"]
        environment = dict(os.environ, **{SERVICE_VARIABLE: self.service})
        with open(self.path("haproxy.log"), "ab") as log:
            subprocess.run([*command, "-f", "haproxy.cfg", "-p", "haproxy.pid"], cwd=self.dir, env=environment,
                           stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)  # fmt: skip
        self._wait("start", lambda: self.pid() and self.worker())

    def _reload(self):
        """A new worker process takes over, the old one stays for its open connections; members keep their state."""
        before = self.worker()
        self.write("servers-state", self.ask("show servers state"))
        os.kill(self.pid(), signal.SIGUSR2)
        self._wait("reload", lambda: self.worker() not in (None, before))

    def _end(self):
        pid = self.pid()
        if pid:
            os.kill(pid, signal.SIGTERM)
            self._wait("end", lambda: not self.pid())

    def _wait(self, what, done):
        deadline = time.monotonic() + PATIENCE
        while not done():
            if time.monotonic() > deadline:
                raise RuntimeError(
                    "HAProxy of %s did not %s: %s" % (self.service, what, self.read("haproxy.log")[-2000:])
                )
            time.sleep(0.05)

    # -- its socket --------------------------------------------------------------------------------------------------
    @contextlib.contextmanager
    def socket(self):
        """A short path of the statistics socket."""
        folder = os.open(self.dir, os.O_PATH)
        try:
            yield "/proc/self/fd/%d/%s" % (folder, SOCKET)
        finally:
            os.close(folder)

    def ask(self, question):
        with self.socket() as path, socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(path)
            connection.sendall((question + "\n").encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    def worker(self):
        """Process id of the worker that answers, None if none does."""
        try:
            lines = self.ask("show info").splitlines()
        except OSError:
            return None
        return next((line.split()[1] for line in lines if line.startswith("Pid:")), None)
