"""What a machine's cloud-init finds: the NoCloud data source in the overlay, with the names that OpenStack's metadata has.

Upstream analogue: nova.virt.configdrive and nova.api.metadata.
"""

import base64
import json
import os

from nova.virt.capilab import host

SEED = "var/lib/cloud/seed/nocloud"


def write_files(tree, instance, ethernets):
    """Writes the data source below `tree`. JSON is YAML."""
    user_data = base64.b64decode(instance.user_data) if instance.user_data else b"#cloud-config\n{}\n"
    host.write(os.path.join(tree, SEED, "meta-data"), json.dumps(metadata(instance), indent=1) + "\n")
    host.write(os.path.join(tree, SEED, "user-data"), user_data, 0o600)
    network = {"version": 2, "ethernets": ethernets}
    host.write(os.path.join(tree, SEED, "network-config"), json.dumps(network, indent=1) + "\n")
    settings = os.path.join(tree, "etc/cloud/cloud.cfg.d/99-lab.cfg")
    host.write(settings, json.dumps(configuration(instance.system_metadata or {}), indent=1) + "\n")


def metadata(instance):
    """What templates in user data may name as ds.meta_data: OpenStack's keys, and the two that cloud-init makes of them."""
    hostname = instance.hostname or "lab"
    keys = [instance.key_data.strip()] if instance.key_data else []
    return {
        "instance-id": instance.uuid,
        "local-hostname": hostname,
        "uuid": instance.uuid,
        "hostname": hostname,
        "name": instance.display_name,
        "project_id": instance.project_id,
        "availability_zone": instance.availability_zone,
        "launch_index": instance.launch_index or 0,
        "meta": dict(instance.metadata or {}),
        "public-keys": keys,
    }


def configuration(properties):
    """cloud-init's own settings; `properties` is the server's system metadata, which holds the image's."""
    user = properties.get("image_lab_user") or properties.get("image_os_admin_user") or "ubuntu"
    return {
        "datasource_list": ["NoCloud"],
        "manage_etc_hosts": True,
        "locale": "C.UTF-8",
        "apt": {"preserve_sources_list": True},
        "system_info": {
            "default_user": {
                "name": user,
                "lock_passwd": True,
                "gecos": "Lab",
                "sudo": ["ALL=(ALL) NOPASSWD:ALL"],
                "shell": "/bin/bash",
            }
        },
    }


def ethernet(network, mtu, first):
    """netplan's settings of one card.

    No `match: macaddress`: netplan makes PermanentMACAddress= of it, which a veth does not have. accept-ra off: networkd
    would hold network-online back for 12 s, waiting for a router advertisement.
    """
    card = {
        "accept-ra": False,
        "mtu": mtu,
        "dhcp4": False,
        "dhcp6": False,
        "addresses": [],
        "routes": [],
        "nameservers": {"addresses": []},
    }
    for subnet in network["subnets"]:
        length = subnet["cidr"].split("/")[1]
        card["addresses"] += ["%s/%s" % (ip["address"], length) for ip in subnet["ips"]]
        card["routes"] += [
            {"to": route["cidr"], "via": route["gateway"]["address"]}
            for route in subnet["routes"] or []
            if route.get("gateway")
        ]
        gateway = (subnet["gateway"] or {}).get("address")
        if gateway and first:
            card["routes"].append({"to": "::/0" if subnet["version"] == 6 else "0.0.0.0/0", "via": gateway})
        # as Neutron's DHCP agent names itself where a subnet has no name servers: CoreDNS does not start without one
        resolvers = [resolver["address"] for resolver in subnet["dns"]]
        card["nameservers"]["addresses"] += resolvers or ([gateway] if gateway and first else [])
    return card
