"""Network devices and commands, in the lab's namespace and in the routers'.

/sys shows the devices of the namespace that mounted it, so devices are asked for by `ip` and socket calls.
"""

import json
import socket
import subprocess
import time


def log(*words):
    print(time.strftime("%H:%M:%S"), *words, flush=True)


def run(*command, stdin=None, check=True):
    """Output of a command, None if it failed; a failure is logged unless check is False."""
    done = subprocess.run(command, check=False, input=stdin, capture_output=True, text=True)
    if done.returncode:
        if check:
            log("failed:", " ".join(command), done.stderr.strip(), (stdin or "")[:2000])
        return None
    return done.stdout


def ip(namespace, *words, check=True):
    return run("ip", *(["-n", namespace] if namespace else []), *words, check=check)


def interfaces():
    """Names of the devices in the lab's namespace."""
    return {name for _, name in socket.if_nameindex()}


def details(namespace=None):
    return {link["ifname"]: link for link in json.loads(ip(namespace, "-j", "addr") or "[]")}


def namespaces():
    return {entry["name"] for entry in json.loads(run("ip", "-j", "netns") or "[]")}


def ensure_bridge(name):
    """A bridge on which nftables sees the bridged packets; other bridges of the host are not touched."""
    if name not in interfaces():
        run("ip", "link", "add", name, "type", "bridge", "forward_delay", "0", "nf_call_iptables", "1",
            "mcast_snooping", "0", check=False)  # fmt: skip
    with open("/proc/sys/net/ipv6/conf/%s/disable_ipv6" % name, "w") as file:
        file.write("1")
    run("ip", "link", "set", name, "up")
    return name


def set_addresses(device, wanted, namespace=None):
    """Makes the IPv4 addresses of a device exactly `wanted` ({'a.b.c.d/length'})."""
    info = details(namespace)[device]["addr_info"]
    have = {"%s/%s" % (a["local"], a["prefixlen"]) for a in info if a["family"] == "inet"}
    # the subnet's own length first: it becomes the primary address
    for address in sorted(wanted - have, key=lambda text: text.endswith("/32")):
        ip(namespace, "addr", "add", address, "dev", device)
    for address in have - wanted:
        ip(namespace, "addr", "del", address, "dev", device)
