# What Magnum's conductor does for one tenant cluster, with magnum-capi-helm's own driver, Kubernetes client and helm
# client: create, scale, look at its status, delete. Magnum itself is not here: the cluster is a plain object in place of a
# database row, and what the driver would ask Glance, Cinder and Neutron is given to it.
#
# argv: magnum.conf, kubeconfig, action. Standard input: the cluster as JSON. Prints JSON.
import json
import os
import sys
import types
from unittest import mock

from oslo_config import cfg

CONF = cfg.CONF
CONF([], project="magnum", default_config_files=[sys.argv[1]])
# The library requests lets these take the place of the kubeconfig's authority; Magnum's containers have none.
for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
    os.environ.pop(name, None)
os.environ["KUBECONFIG"] = sys.argv[2]  # kolla-ansible sets no kubeconfig_file: its container has ~/.kube/config

from magnum_capi_helm import driver as capi_driver  # noqa: E402  the configuration comes first: modules read it
from magnum_capi_helm import driver_utils  # noqa: E402

ACTION = sys.argv[3]
GIVEN = json.load(sys.stdin)


class Row(types.SimpleNamespace):
    """A database row that nobody stores."""

    def save(self):
        pass

    def destroy(self):
        pass

    def refresh(self):
        pass


def the_cluster():
    status = {"create": "CREATE_IN_PROGRESS", "scale": "UPDATE_IN_PROGRESS", "delete": "DELETE_IN_PROGRESS"}.get(
        ACTION, GIVEN.get("status", "CREATE_IN_PROGRESS")
    )
    groups = [
        Row(id=1, name="default-master", role="master", is_default=True, flavor_id=GIVEN["flavor"],
            node_count=GIVEN["masters"], min_node_count=1, max_node_count=None, status=status),
        Row(id=2, name="default-worker", role="worker", is_default=True, flavor_id=GIVEN["flavor"],
            node_count=GIVEN["workers"], min_node_count=1, max_node_count=None, status=status),
    ]
    template = Row(
        uuid="template", image_id=GIVEN["image_id"], external_network_id=GIVEN["external_network_id"],
        dns_nameserver="", network_driver="calico", labels=GIVEN.get("template_labels", {}),
    )
    return Row(
        uuid=GIVEN["uuid"], name=GIVEN["name"], stack_id=GIVEN["stack_id"], project_id=GIVEN["project_id"],
        user_id="user", keypair=None, labels={}, cluster_template=template, status=status, status_reason=None,
        coe_version=None, api_address=None, fixed_network=None, fixed_subnet=None,
        master_count=GIVEN["masters"], master_flavor_id=GIVEN["flavor"], flavor_id=GIVEN["flavor"],
        nodegroups=groups, default_ng_worker=groups[1], default_ng_master=groups[0],
    )


def release(driver, cluster):
    """The driver's own values and helm call; answers of OpenStack that it would look up are given."""
    storage = {
        "defaultStorageClass": {
            "name": "lab", "reclaimPolicy": "Retain", "allowVolumeExpansion": True,
            "volumeBindingMode": "WaitForFirstConsumer", "availabilityZone": "nova", "volumeType": "lab",
            "allowedTopologies": [], "fstype": "ext4", "enabled": True,
        },
        "additionalStorageClasses": [],
    }
    details = (GIVEN["image_id"], GIVEN["kubernetes_version"].lstrip("v"), "ubuntu")
    neutron = capi_driver.neutron
    with mock.patch.object(driver, "_get_image_details", return_value=details), \
            mock.patch.object(driver, "_storageclass_definitions", return_value=storage), \
            mock.patch.object(neutron, "get_fixed_subnet_id", return_value=None), \
            mock.patch.object(neutron, "get_external_network_id", return_value=GIVEN["external_network_id"]):
        driver._update_helm_release(None, cluster)


def main():
    driver = capi_driver.Driver()
    cluster = the_cluster()
    namespace = driver_utils.cluster_namespace(cluster)
    client = driver._k8s_client
    if ACTION == "create":
        client.ensure_namespace(namespace)
        client.apply_secret(
            driver._get_app_cred_secret_name(cluster),
            {"metadata": {"labels": driver._k8s_resource_labels(cluster)}, "stringData": GIVEN["credentials"]},
            namespace,
        )
        release(driver, cluster)
    elif ACTION == "scale":
        release(driver, cluster)
    elif ACTION == "delete":
        driver.delete_cluster(None, cluster)
    elif ACTION == "status":
        with mock.patch.object(capi_driver.app_creds, "delete_app_cred"):
            driver.update_cluster_status(None, cluster)
    capi = client.get_capi_cluster(cluster.stack_id, namespace)
    return {
        "namespace": namespace,
        "status": cluster.status,
        "apiAddress": cluster.api_address,
        "version": cluster.coe_version,
        "cluster": None if capi is None else capi["metadata"]["name"],
        "chart": driver._get_chart_version(cluster),
        "secret": client.get_secret(driver._get_app_cred_secret_name(cluster), namespace) is not None,
        "nodeGroups": {group.name: group.status for group in cluster.nodegroups},
    }


json.dump(main(), sys.stdout)
