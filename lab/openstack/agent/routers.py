"""Routers: a namespace each, with the router's addresses, floating IPs as DNAT and SNAT, and the gateway's masquerade.

Upstream analogue: neutron-l3-agent (legacy routers): the same namespaces, devices qr-* and qg-*, iptables replaced by nftables.
"""

import json

import capi_lab_links as links
import capi_lab_names as names


def nat_rules(floating, gateway_address, source_nat):
    """The nftables text of one router.

    floating: [(floating address, fixed address)]; gateway_address: None without an external gateway.
    """
    lines = ["table ip lab", "delete table ip lab", "table ip lab {"]
    lines += [" chain pre { type nat hook prerouting priority dstnat;"]
    lines += ["  ip daddr %s dnat to %s" % pair for pair in floating]
    lines += [" }", " chain out { type nat hook output priority -100;"]
    lines += ["  ip daddr %s dnat to %s" % pair for pair in floating]
    lines += [" }", " chain post { type nat hook postrouting priority srcnat;"]
    if gateway_address:
        # a machine that calls a floating IP of its own side: the answers must come back through here
        lines += ['  iifname "qr-*" oifname "qr-*" ct status dnat snat to %s' % gateway_address]
        lines += ['  oifname "qg" ip saddr %s snat to %s' % (fixed, public) for public, fixed in floating]
        if source_nat:
            lines += ['  iifname "qr-*" oifname "qg" snat to %s' % gateway_address]
    return "\n".join(lines + [" }", "}"]) + "\n"


class Routers:
    def __init__(self):
        self.applied = {}

    def sync(self, site):
        have = {name for name in links.namespaces() if name.startswith("labr-")}
        wanted = {names.router_namespace(r["id"]): r for r in site.routers.values() if r["admin_state_up"]}
        for namespace in have - set(wanted):
            links.run("ip", "netns", "del", namespace)
            self.applied.pop(namespace, None)
        for namespace, router in wanted.items():
            if namespace not in have:
                self.applied.pop(namespace, None)
                self._create(namespace)
            self._sync_one(site, namespace, router)

    @staticmethod
    def _create(namespace):
        links.run("ip", "netns", "add", namespace)
        links.run("nsenter", "--net=/run/netns/" + namespace, "sh", "-c",
                  "ip link set lo up; echo 1 >/proc/sys/net/ipv4/ip_forward; "
                  "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6; echo 0 >/proc/sys/net/ipv4/conf/default/rp_filter")  # fmt: skip

    def _sync_one(self, site, namespace, router):
        owners = ("network:router_interface", "network:router_gateway")
        mine = [p for p in site.ports if p["device_id"] == router["id"] and p["device_owner"] in owners]
        floating = sorted(
            (f["floating_ip_address"], f["fixed_ip_address"]) for f in site.floating if f["router_id"] == router["id"]
        )
        key = json.dumps(
            [
                [(p["id"], p["mac_address"], p["fixed_ips"]) for p in mine],
                router["external_gateway_info"],
                router.get("routes"),
                floating,
            ],
            sort_keys=True,
        )
        if self.applied.get(namespace) == key:
            return
        devices, gateway_address, gateway_route = {"lo"}, None, None
        for port in mine:
            network = site.networks.get(port["network_id"])
            if not network:
                continue
            external = port["device_owner"] == "network:router_gateway"
            device = "qg" if external else "qr-" + port["id"][:11]
            self._plug(namespace, port, device, site.bridge(network), network["mtu"])
            devices.add(device)
            v4 = [f for f in port["fixed_ips"] if site.subnets[f["subnet_id"]]["ip_version"] == 4]
            addresses = {"%s/%s" % (f["ip_address"], site.subnets[f["subnet_id"]]["cidr"].split("/")[1]) for f in v4}
            if external and v4:
                gateway_address = v4[0]["ip_address"]
                gateway_route = site.subnets[v4[0]["subnet_id"]]["gateway_ip"]
                addresses |= {public + "/32" for public, _ in floating}
            links.set_addresses(device, addresses, namespace)
        for device in set(links.details(namespace)) - devices:
            links.ip(namespace, "link", "del", device)
        if gateway_route:
            links.ip(namespace, "route", "replace", "default", "via", gateway_route)
        for route in router.get("routes") or []:
            links.ip(namespace, "route", "replace", route["destination"], "via", route["nexthop"])
        source_nat = bool((router["external_gateway_info"] or {}).get("enable_snat", True))
        rules = nat_rules(floating, gateway_address, source_nat)
        if links.run("nsenter", "--net=/run/netns/" + namespace, "nft", "-f", "-", stdin=rules) is not None:
            self.applied[namespace] = key

    @staticmethod
    def _plug(namespace, port, device, bridge, mtu):
        """A veth pair: `device` in the router's namespace, its other end on the network's bridge."""
        links.ensure_bridge(bridge)
        if device in links.details(namespace):
            return
        tap = names.router_tap(port["id"])
        links.run("ip", "link", "del", tap, check=False)
        links.run("ip", "link", "add", tap, "mtu", str(mtu), "type", "veth", "peer", "name", device,
                  "address", port["mac_address"], "mtu", str(mtu), "netns", namespace)  # fmt: skip
        links.run("ip", "link", "set", tap, "master", bridge, "up")
        links.ip(namespace, "link", "set", device, "up")
