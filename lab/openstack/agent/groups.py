"""Security groups: what Neutron does not allow is dropped, in both directions, stateful, on the bridged packets.

Stateful rules in nftables' bridge family need NF_CONNTRACK_BRIDGE, which kernels often lack; hence br_netfilter and an ip table.
Upstream analogue: neutron's iptables_hybrid firewall driver.
"""

import hashlib

import capi_lab_links as links
import capi_lab_names as names

PROTOCOL_NAMES = {"6": "tcp", "17": "udp", "132": "sctp"}


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
    protocol, low, high = rule.get("protocol"), rule.get("port_range_min"), rule.get("port_range_max")
    if protocol in (None, "any", "0"):
        pass
    elif protocol in ("tcp", "udp", "sctp", *PROTOCOL_NAMES):
        name = PROTOCOL_NAMES.get(protocol, protocol)
        parts.append("%s dport %s-%s" % (name, low, high) if low is not None else "meta l4proto " + name)
    elif protocol in ("icmp", "1"):
        parts.append("icmp type %s" % low if low is not None else "meta l4proto icmp")
        if low is not None and high is not None:
            parts.append("icmp code %s" % high)
    else:
        parts.append("meta l4proto " + protocol)
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
            members.setdefault(group, []).extend(
                f["ip_address"] for f in port["fixed_ips"] if ":" not in f["ip_address"]
            )
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
