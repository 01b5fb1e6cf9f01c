"""Names of the interfaces that stand for Neutron's objects; the agent, the drivers and the CLI's clean-up agree on them.

An interface's name has at most 15 characters, hence the first 11 of an id, as Neutron's own agents do it.
"""

EXTERNAL_BRIDGE = "labex"
EXTERNAL_PHYSICAL_NETWORK = "external"


def bridge(network_id, physical_network=None):
    """Bridge of a network; the flat network `external` is the bridge that the host's interface is a port of."""
    return EXTERNAL_BRIDGE if physical_network == EXTERNAL_PHYSICAL_NETWORK else "lbr" + network_id[:11]


def tap(port_id):
    """The bridge's end of a server port's veth pair."""
    return "tap" + port_id[:11]


def router_tap(port_id):
    """The bridge's end of a router port's veth pair."""
    return "tpr" + port_id[:11]


def router_namespace(router_id):
    return "labr-" + router_id[:11]


def balancer_namespace(load_balancer_id):
    return "labb-" + load_balancer_id[:11]
