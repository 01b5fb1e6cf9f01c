"""L3 plugin without agents: an associated floating IP is ACTIVE at once, and each change rings the network agent's bell.

The bell is a file (CAPI_LAB_BELL); the agent looks at its time stamp ten times a second.
Upstream analogue: neutron.services.l3_router with its agent notifier.
"""

import os

from neutron import policy
from neutron.services.l3_router import l3_router_plugin
from neutron_lib import constants
from neutron_lib.callbacks import events, registry, resources

BELL = os.environ["CAPI_LAB_BELL"]

WATCHED = (
    resources.NETWORK,
    resources.SUBNET,
    resources.PORT,
    resources.ROUTER,
    resources.ROUTER_INTERFACE,
    resources.ROUTER_GATEWAY,
    resources.FLOATING_IP,
    resources.SECURITY_GROUP,
    resources.SECURITY_GROUP_RULE,
)


def ring(resource, event, trigger, payload=None, **kwargs):
    """Writes the bell; a full disk must not fail the API call, the agent polls as well."""
    try:
        os.makedirs(os.path.dirname(BELL), exist_ok=True)
        with open(BELL, "w") as bell:
            bell.write(f"{resource} {event}\n")
    except OSError:
        pass


class LabL3Plugin(l3_router_plugin.L3RouterPlugin):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # upstream loads the rules with the first request, and not thread-safely: others at that moment are refused (403)
        policy.init()
        for resource in WATCHED:
            for event in (events.AFTER_CREATE, events.AFTER_UPDATE, events.AFTER_DELETE):
                registry.subscribe(ring, resource, event)

    def _settle(self, context, floating_ip):
        wanted = constants.FLOATINGIP_STATUS_ACTIVE if floating_ip.get("port_id") else constants.FLOATINGIP_STATUS_DOWN
        if floating_ip["status"] != wanted:
            self.update_floatingip_status(context.elevated(), floating_ip["id"], wanted)
            floating_ip["status"] = wanted
        return floating_ip

    def create_floatingip(self, context, floatingip):
        return self._settle(context, super().create_floatingip(context, floatingip))

    def update_floatingip(self, context, id, floatingip):
        return self._settle(context, super().update_floatingip(context, id, floatingip))
