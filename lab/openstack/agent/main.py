"""Network agent: makes the lab's namespace look like what Neutron says.

Reads networks, ports, routers, floating IPs and security groups through the API when the bell file changes (plugins/capi_lab_l3.py
rings it), when a server's tap appears, and every POLL seconds besides. Input: the bell's path in CAPI_LAB_BELL, and a JSON file
{"auth_url", "password"} as the only argument.
Upstream analogue: neutron-openvswitch-agent and neutron-l3-agent.
"""

import concurrent.futures
import json
import os
import signal
import sys
import time

import capi_lab_links as links
import capi_lab_names as names
import groups
import routers
from keystoneauth1 import session
from keystoneauth1.identity import v3

# Seconds. Every change rings; this is for a bell that could not be written. One reading is a quarter second of the processor.
POLL = 60.0
BELL = os.environ["CAPI_LAB_BELL"]


# Only what is used: Neutron checks its policy for each attribute it returns, which is most of a listing's cost.
READ = {
    "networks": "id mtu provider:physical_network",
    "subnets": "id cidr ip_version gateway_ip",
    "ports": "id network_id mac_address fixed_ips device_id device_owner security_groups allowed_address_pairs"
    " port_security_enabled",
    "routers": "id admin_state_up external_gateway_info routes",
    "floatingips": "port_id fixed_ip_address router_id floating_ip_address",
    "security-groups": "id security_group_rules",
}


class Site:
    """One reading of Neutron."""

    def __init__(self, keystone, pool):
        def read(what):
            answer = keystone.get(
                "/v2.0/" + what,
                params={"fields": READ[what].split()},
                endpoint_filter={"service_type": "network", "interface": "internal"},
            )
            return answer.json()[what.replace("-", "_")]

        networks, subnets, self.ports, found, floating, secured = pool.map(read, READ)
        self.networks = {network["id"]: network for network in networks}
        self.subnets = {subnet["id"]: subnet for subnet in subnets}
        self.routers = {router["id"]: router for router in found}
        self.floating = [f for f in floating if f["port_id"] and f["fixed_ip_address"] and f["router_id"]]
        self.groups = {group["id"]: group for group in secured}
        # read at slightly different moments: a port may name what the other lists do not hold yet
        self.ports = [
            p
            for p in self.ports
            if p["network_id"] in self.networks and all(f["subnet_id"] in self.subnets for f in p["fixed_ips"])
        ]

    @staticmethod
    def bridge(network):
        return names.bridge(network["id"], network.get("provider:physical_network"))


class Agent:
    def __init__(self, auth_url, password):
        auth = v3.Password(
            auth_url=auth_url,
            username="admin",
            password=password,
            project_name="admin",
            user_domain_id="default",
            project_domain_id="default",
        )
        self.keystone = session.Session(auth=auth)
        self.pool = concurrent.futures.ThreadPoolExecutor(3)
        self.routers, self.groups = routers.Routers(), groups.Groups()

    def sync(self):
        started = time.monotonic()
        site = Site(self.keystone, self.pool)
        read = time.monotonic()
        self.routers.sync(site)
        self.groups.sync(site)
        wanted = {site.bridge(network) for network in site.networks.values()}
        for name in links.interfaces():
            if name.startswith("lbr") and name not in wanted:
                links.run("ip", "link", "del", name)
        links.log(
            "sync: %d networks, %d ports, %d routers, %d floating IPs; API %.0f ms, host %.0f ms"
            % (
                len(site.networks),
                len(site.ports),
                len(site.routers),
                len(site.floating),
                (read - started) * 1000,
                (time.monotonic() - read) * 1000,
            )
        )


def rung():
    try:
        return os.stat(BELL).st_mtime_ns
    except OSError:
        return None


def main():
    with open(sys.argv[1]) as file:
        settings = json.load(file)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    agent = Agent(settings["auth_url"], settings["password"])
    seen, taps, due = None, None, 0.0
    while True:
        bell, present = rung(), {name for name in links.interfaces() if name.startswith("tap")}
        if bell != seen or present != taps or time.monotonic() > due:
            seen, taps, due = bell, present, time.monotonic() + POLL
            try:
                agent.sync()
            except Exception as error:  # the API may be away for a while; the agent stays and tries again
                links.log("sync failed: %s: %s" % (type(error).__name__, error))
                due = time.monotonic() + 2
        time.sleep(0.1)


main()
