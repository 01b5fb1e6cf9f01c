"""Octavia network driver: the VIP port and its security group (listeners, allowed CIDRs) are real, amphorae are not.

Upstream analogue: octavia's allowed-address-pairs driver, which does the real half here; the no-op driver does the rest.
"""

from octavia.network.drivers.neutron import allowed_address_pairs
from octavia.network.drivers.noop_driver import driver as noop


class LabNetworkDriver(noop.NoopNetworkDriver):
    def __init__(self):
        super().__init__()
        self.neutron = allowed_address_pairs.AllowedAddressPairsDriver()

    def allocate_vip(self, loadbalancer):
        return self.neutron.allocate_vip(loadbalancer)

    def deallocate_vip(self, vip):
        self.neutron.deallocate_vip(vip)

    def update_vip_sg(self, load_balancer, vip):
        return self.neutron.update_vip_sg(load_balancer, vip)

    def update_vip(self, loadbalancer, for_delete=False):
        self.neutron.update_vip(loadbalancer, for_delete)

    def _neutron_first(self, name, *args, **kwargs):
        """Ports of the no-op amphorae exist in the no-op driver only, all others in Neutron."""
        try:
            return getattr(self.neutron, name)(*args, **kwargs)
        except Exception:
            return getattr(super(), name)(*args, **kwargs)

    def get_subnet(self, *args, **kwargs):
        return self._neutron_first("get_subnet", *args, **kwargs)

    def get_network(self, *args, **kwargs):
        return self._neutron_first("get_network", *args, **kwargs)

    def get_port(self, *args, **kwargs):
        return self._neutron_first("get_port", *args, **kwargs)
