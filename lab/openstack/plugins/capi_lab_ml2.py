"""ML2 mechanism driver that binds every port at once: the lab has one host and no agents to wait for.

The bridge is said in the binding details, so that Nova's virt driver need not guess it.
Upstream analogue: neutron's Open vSwitch mechanism driver.
"""

import capi_lab_names
from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins.ml2 import api


class LabMechanismDriver(api.MechanismDriver):
    def initialize(self):
        pass

    @property
    def connectivity(self):
        return portbindings.CONNECTIVITY_L2

    def bind_port(self, context):
        for segment in context.segments_to_bind:
            details = {
                portbindings.CAP_PORT_FILTER: True,
                portbindings.VIF_DETAILS_BRIDGE_NAME: capi_lab_names.bridge(
                    context.current["network_id"], segment.get(api.PHYSICAL_NETWORK)
                ),
            }
            context.set_binding(
                segment[api.ID], portbindings.VIF_TYPE_OVS, details, status=constants.PORT_STATUS_ACTIVE
            )
            return
