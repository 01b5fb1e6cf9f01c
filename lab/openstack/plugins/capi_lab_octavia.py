"""Octavia's drivers: the VIP port, its security group (listeners, allowed CIDRs) and HAProxy are real, amphorae are not.

Upstream analogue: octavia's allowed-address-pairs driver, which does the real half of the network here, and its HAProxy
driver, whose templates make the configuration; the no-op drivers do what concerns virtual machines.
"""

import capi_lab_balancer
import capi_lab_names
from octavia.amphorae.drivers.noop_driver import driver as noop_amphora
from octavia.common import constants
from octavia.common.config import cfg
from octavia.common.jinja.haproxy.combined_listeners import jinja_cfg
from octavia.network.drivers.neutron import allowed_address_pairs
from octavia.network.drivers.noop_driver import driver as noop

CONF = cfg.CONF
HAPROXY_VERSION = ["2", "6"]


def balancer(load_balancer_id):
    return capi_lab_balancer.Balancer(CONF.haproxy_amphora.base_path, load_balancer_id)


class LabAmphoraDriver(noop_amphora.NoopAmphoraLoadBalancerDriver):
    def __init__(self):
        super().__init__()
        output = "stdout format raw"
        self.templates = jinja_cfg.JinjaTemplater(
            base_amp_path=CONF.haproxy_amphora.base_path, log_http=output, log_server=output, connection_logging=False
        )

    def update_amphora_listeners(self, loadbalancer, amphora, timeout_dict=None):
        """Protocols without a template of HAProxy (UDP, SCTP) are left out: their listeners show ERROR."""
        listeners = [one for one in loadbalancer.listeners if one.protocol not in constants.LVS_PROTOCOLS]
        if not listeners:
            balancer(loadbalancer.id).stop()
        elif amphora.status != constants.DELETED:
            config = self.templates.build_config(
                amphora, listeners, None, HAPROXY_VERSION, {}, socket_path="unix@" + capi_lab_balancer.SOCKET
            )
            balancer(loadbalancer.id).configure(amphora.id, config)

    def update(self, loadbalancer):
        for amphora in loadbalancer.amphorae:
            self.update_amphora_listeners(loadbalancer, amphora)

    def delete(self, listener):
        loadbalancer = listener.load_balancer
        loadbalancer.listeners = [one for one in loadbalancer.listeners if one.id != listener.id]
        self.update(loadbalancer)


class LabNetworkDriver(noop.NoopNetworkDriver):
    def __init__(self):
        super().__init__()
        self.neutron = allowed_address_pairs.AllowedAddressPairsDriver()

    def allocate_vip(self, loadbalancer):
        return self.neutron.allocate_vip(loadbalancer)

    def deallocate_vip(self, vip):
        balancer(vip.load_balancer_id).remove()
        self.neutron.deallocate_vip(vip)

    def plug_aap_port(self, load_balancer, vip, amphora, subnet):
        port, network = self.neutron.get_port(vip.port_id), self.neutron.get_network(vip.network_id)
        balancer(load_balancer.id).plug(
            amphora.id,
            {
                "id": port.id,
                "mac": port.mac_address,
                "address": "%s/%s" % (vip.ip_address, subnet.cidr.split("/")[1]),
                "gateway": subnet.gateway_ip,
                "bridge": capi_lab_names.bridge(network.id, network.provider_physical_network),
                "mtu": network.mtu,
            },
        )
        return super().plug_aap_port(load_balancer, vip, amphora, subnet)

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
