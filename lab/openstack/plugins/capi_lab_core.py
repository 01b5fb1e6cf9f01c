"""ML2 with a fixed id for the operator's external network, so that a stack file written beforehand can name it.

On a real site that id is read once from `openstack network show external`; the lab's network is made anew at each reset.
Upstream analogue: neutron.plugins.ml2.plugin, which honours an id that an API request may not carry.
"""

from neutron.plugins.ml2 import plugin

EXTERNAL_NETWORK_ID = "e4f1c0de-0000-4000-8000-000000000113"


class LabMl2Plugin(plugin.Ml2Plugin):
    def create_network(self, context, network):
        wanted = network["network"]
        if context.is_admin and wanted.get("name") == "external" and wanted.get("router:external") is True:
            wanted["id"] = EXTERNAL_NETWORK_ID
        return super().create_network(context, network)
