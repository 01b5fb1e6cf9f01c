"""Security groups: what Neutron does not allow is dropped, in both directions, stateful, on the bridged packets.

Stateful rules in nftables' bridge family need NF_CONNTRACK_BRIDGE, which kernels often lack; hence br_netfilter and an ip table.
Upstream analogue: neutron's iptables_hybrid firewall driver.
"""

import hashlib

import capi_lab_links as links
import capi_lab_names as names

# Neutron's names of IP protocols. nft knows only those of the host's /etc/protocols, and refuses a whole table for one it lacks.
PROTOCOLS = {
    "icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "egp": 8, "udp": 17, "dccp": 33, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51,
    "ospf": 89, "vrrp": 112, "pgm": 113, "sctp": 132, "udplite": 136,
}  # fmt: skip
ANY = (None, "any", "ip", "hopopt", "0")
WITH_PORTS = {6: "tcp", 17: "udp", 33: "dccp", 132: "sctp", 136: "udplite"}


def match(rule, members):
    """nftables' match of one Neutron rule, None if it can match nothing (an empty remote group)."""
    parts, field = [], "saddr" if rule["direction"] == "ingress" else "daddr"
    if rule.get("remote_group_id"):
        addresses = sorted(set(members.get(rule["remote_group_id"], [])))
        if not addresses:
            return None
        parts.append("ip %s { %s }" % (field, ", ".join(addresses)))
    elif rule.get("remote_ip_prefix") and not rule["remote_ip_prefix"].endswith("/0"):
        parts.append("ip %s %s" % (field, rule["remote_ip_prefix"]))
    if rule.get("protocol") not in ANY:
        number = int(PROTOCOLS.get(rule["protocol"], rule["protocol"]))
        low, high = rule.get("port_range_min"), rule.get("port_range_max")
        if low is None:
            parts.append("meta l4proto %d" % number)
        elif number in WITH_PORTS:
            parts.append("%s dport %s-%s" % (WITH_PORTS[number], low, high))
        else:  # ICMP's type and code
            parts.append("icmp type %s" % low + (" icmp code %s" % high if high is not None else ""))
    return " ".join(parts)


def addresses_of(port):
    pairs = [*port["fixed_ips"], *port["allowed_address_pairs"]]
    return [pair["ip_address"] for pair in pairs if ":" not in pair["ip_address"]]


def zone(network_id):
    """One conntrack zone a network: tenants may use the same addresses."""
    return 1 + int(hashlib.sha1(network_id.encode()).hexdigest()[:4], 16) % 65000


def table(ports, groups, bridge_of):
    """The whole nftables text for ports that have a tap here."""
    members = {}
    for port in ports:
        for group in port["security_groups"]:
            # allowed address pairs too, as Neutron's drivers do
            members.setdefault(group, []).extend(addresses_of(port))
    zones, jumps, chains = [], [], []
    for port in sorted((p for p in ports if p["tap_here"]), key=lambda p: p["id"]):
        bridge, short = bridge_of(port["network_id"]), port["id"][:11]
        line = '  iifname "%s" ct zone set %d' % (bridge, zone(port["network_id"]))
        # the external bridge also carries the host's own connections, which stay in the default zone
        if bridge != names.EXTERNAL_BRIDGE and line not in zones:
            zones.append(line)
        if not port["port_security_enabled"]:
            continue
        for direction, field in (("ingress", "daddr"), ("egress", "saddr")):
            jumps += [
                '  iifname "%s" ip %s %s jump %s_%s' % (bridge, field, address, direction, short)
                for address in addresses_of(port)
            ]
            chains.append(" chain %s_%s {" % (direction, short))
            for group in port["security_groups"]:
                for rule in (groups.get(group) or {}).get("security_group_rules", []):
                    if rule["direction"] == direction and rule["ethertype"] == "IPv4":
                        matched = match(rule, members)
                        if matched is not None:
                            chains.append("  %s return" % matched)
            chains += ["  counter drop", " }"]
    lines = ["table ip lab_sg", "delete table ip lab_sg", "table ip lab_sg {"]
    lines += [" chain pre { type filter hook prerouting priority raw;", *zones, " }", *chains]
    lines += [" chain checked {", "  ct state established,related accept", *jumps, " }"]
    lines += [
        " chain bridged { type filter hook forward priority filter; policy accept;",
        '  iifname "lbr*" jump checked',
        '  iifname "%s" jump checked' % names.EXTERNAL_BRIDGE,
    ]
    return "\n".join([*lines, " }", "}"]) + "\n"


class Groups:
    def __init__(self):
        self.applied = None

    def sync(self, site):
        taps = links.interfaces()
        ports = [dict(p, tap_here=names.tap(p["id"]) in taps) for p in site.ports]
        text = table(ports, site.groups, lambda network_id: site.bridge(site.networks[network_id]))
        if text != self.applied and links.run("nft", "-f", "-", stdin=text) is not None:
            self.applied = text
