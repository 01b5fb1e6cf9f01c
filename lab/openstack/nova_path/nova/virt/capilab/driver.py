"""The virt driver: boots servers as machines (machine.py) where the image or the flavor says so (trees.py), else Nova's fake.

State is kept in CAPI_LAB_STATE/nova/<server id>.json, because Nova's fake driver forgets its servers at a restart.
"""

import json
import os
import shutil

import capi_lab_links as links
from oslo_log import log as logging

from nova.compute import power_state
from nova.virt import driver, fake, hardware
from nova.virt.capilab import host, trees, volumes
from nova.virt.capilab.machine import MACHINES, Machine

LOG = logging.getLogger(__name__)
RECORDS = os.path.join(host.STATE, "nova")


class LabDriver(fake.FakeDriverWithoutFakeNodes):
    def __init__(self, virtapi, read_only=False):
        super().__init__(virtapi, read_only)
        self.records = {}
        for folder in (RECORDS, MACHINES):
            os.makedirs(folder, exist_ok=True)

    # -- state -------------------------------------------------------------------------------------------------------
    def init_host(self, host):  # the name is Nova's: it passes it by keyword
        super().init_host(host)
        for name in sorted(os.listdir(RECORDS)):
            if not name.endswith(".json"):
                continue
            with open(os.path.join(RECORDS, name)) as file:
                record = json.load(file)
            uuid = record["uuid"]
            self.records[uuid] = record
            self.instances[uuid] = fake.FakeInstance(record["name"], record["state"], uuid)
            for vif in record.get("vifs", []):
                self._interfaces[vif] = {"id": vif}
            if self._is_machine(uuid):
                self.instances[uuid].state = self._machine_state(uuid)
        LOG.info("%d servers known, %d machines run", len(self.records),
                 sum(1 for uuid in self.records if self._is_machine(uuid) and Machine(uuid).runner()))  # fmt: skip

    def _save(self, uuid):
        if uuid in self.instances and uuid in self.records:
            self.records[uuid]["state"] = self.instances[uuid].state
            host.write(os.path.join(RECORDS, uuid + ".json"), json.dumps(self.records[uuid]), 0o600)

    def _is_machine(self, uuid):
        return self.records.get(uuid, {}).get("kind") in trees.BOOTED

    def _machine_state(self, uuid):
        machine = Machine(uuid)
        if not machine.runner():
            return power_state.SHUTDOWN
        return power_state.PAUSED if machine.frozen() else power_state.RUNNING

    # -- volumes -----------------------------------------------------------------------------------------------------
    def _unloop(self, uuid, volume_id, volume):
        if not any(volume_id in r.get("volumes", {}) for other, r in self.records.items() if other != uuid):
            volumes.release(volume["path"])  # multi-attach: not while another machine has it

    def _take_volumes(self, uuid, block_device_info):
        """What Nova says is attached is what the machine gets."""
        taken, tags = {}, volumes.tags_of(uuid)
        for mapping in driver.block_device_info_get_mapping(block_device_info):
            info = mapping["connection_info"]
            if isinstance(info, str):
                info = json.loads(info)
            volume_id = volumes.id_of(info)
            taken[volume_id] = dict(volumes.loop(info), dev=mapping["mount_device"], tag=tags.get(volume_id))
        self.records[uuid]["volumes"] = taken
        Machine(uuid).devices(taken)

    def attach_volume(self, context, connection_info, instance, mountpoint, disk_bus=None, device_type=None,
                      encryption=None):  # fmt: skip
        super().attach_volume(context, connection_info, instance, mountpoint, disk_bus, device_type, encryption)
        if not self._is_machine(instance.uuid):
            return
        volume_id = volumes.id_of(connection_info)
        tag = volumes.tags_of(instance.uuid).get(volume_id)
        volume = dict(volumes.loop(connection_info), dev=mountpoint, tag=tag)
        taken = self.records[instance.uuid].setdefault("volumes", {})
        taken[volume_id] = volume
        machine = Machine(instance.uuid)
        machine.devices(taken)
        self._save(instance.uuid)
        machine.plug(volume_id, volume, True)

    def detach_volume(self, context, connection_info, instance, mountpoint, encryption=None):
        super().detach_volume(context, connection_info, instance, mountpoint, encryption)
        if not self._is_machine(instance.uuid):
            return
        volume_id = volumes.id_of(connection_info)
        volume = self.records[instance.uuid].get("volumes", {}).pop(volume_id, None)
        if volume:
            machine = Machine(instance.uuid)
            machine.devices(self.records[instance.uuid]["volumes"])
            self._save(instance.uuid)
            machine.plug(volume_id, volume, False)
            self._unloop(instance.uuid, volume_id, volume)

    def extend_volume(self, context, connection_info, instance, requested_size):
        if self._is_machine(instance.uuid):
            host.sh("losetup", "-c", volumes.loop(connection_info)["loop"])

    # -- life --------------------------------------------------------------------------------------------------------
    def spawn(self, context, instance, image_meta, injected_files, admin_password, allocations, network_info=None,
              block_device_info=None, power_on=True, accel_info=None):  # fmt: skip
        super().spawn(context, instance, image_meta, injected_files, admin_password, allocations,
                      network_info=network_info, block_device_info=block_device_info, power_on=power_on,
                      accel_info=accel_info)  # fmt: skip
        uuid = instance.uuid
        old = self.records.get(uuid) or {}
        vifs = [vif["id"] for vif in network_info or []] or old.get("vifs", [])
        record = {"uuid": uuid, "name": instance.name, "kind": trees.kind_of(instance), "vifs": vifs, "volumes": {}}
        self.records[uuid] = record
        self._save(uuid)
        if self._is_machine(uuid):
            self._boot(instance, network_info, block_device_info, power_on)
        self._save(uuid)

    def _boot(self, instance, network_info, block_device_info, power_on):
        machine = Machine(instance.uuid)
        layers, store = trees.trees_of(instance)
        machine.settings(instance, layers)
        if network_info or not os.path.exists(machine.path("nics")):  # a resize does not pass the network on
            machine.prepare(instance, network_info, store)
        self._take_volumes(instance.uuid, block_device_info)
        if power_on:
            machine.start()

    def finish_migration(self, context, migration, instance, disk_info, network_info, image_meta, resize_instance,
                         allocations, block_device_info=None, power_on=True, share_info=None):  # fmt: skip
        self.spawn(context, instance, image_meta, None, None, allocations, network_info=network_info,
                   block_device_info=block_device_info, power_on=power_on)  # fmt: skip

    def migrate_disk_and_power_off(self, context, instance, dest, flavor, network_info, block_device_info=None,
                                   timeout=0, retry_interval=0):  # fmt: skip
        if self._is_machine(instance.uuid):
            Machine(instance.uuid).stop()

    def finish_revert_migration(self, context, instance, network_info, migration, block_device_info=None,
                                power_on=True, share_info=None):  # fmt: skip
        super().finish_revert_migration(context, instance, network_info, migration, block_device_info, power_on,
                                        share_info)  # fmt: skip
        if self._is_machine(instance.uuid) and power_on:
            self._take_volumes(instance.uuid, block_device_info)
            Machine(instance.uuid).start()
        self._save(instance.uuid)

    def power_off(self, instance, timeout=0, retry_interval=0):
        super().power_off(instance, timeout, retry_interval)
        if self._is_machine(instance.uuid):
            Machine(instance.uuid).stop(orderly=True)
        self._save(instance.uuid)

    def power_on(self, context, instance, network_info, block_device_info=None, accel_info=None, share_info=None):
        super().power_on(context, instance, network_info, block_device_info, accel_info, share_info)
        if self._is_machine(instance.uuid):
            for vif in network_info or []:
                links.ensure_bridge(vif["network"]["bridge"])
            self._take_volumes(instance.uuid, block_device_info)
            Machine(instance.uuid).start()
        self._save(instance.uuid)

    def reboot(self, context, instance, network_info, reboot_type, block_device_info=None, bad_volumes_callback=None,
               accel_info=None, share_info=None):  # fmt: skip
        if self._is_machine(instance.uuid) and instance.uuid in self.instances:
            Machine(instance.uuid).stop(orderly=reboot_type.lower() != "hard")
        return super().reboot(
            context,
            instance,
            network_info,
            reboot_type,
            block_device_info,
            bad_volumes_callback,
            accel_info,
            share_info,
        )  # fmt: skip  (upstream's fake powers on)

    def resume_state_on_host_boot(self, context, instance, network_info, share_info, block_device_info=None):
        if instance.uuid in self.instances:
            self.power_on(context, instance, network_info, block_device_info)

    def destroy(self, context, instance, network_info, block_device_info=None, destroy_disks=True,
                destroy_secrets=True):  # fmt: skip
        uuid = instance.uuid
        super().destroy(context, instance, network_info, block_device_info, destroy_disks, destroy_secrets)
        record = self.records.get(uuid)
        if not record:
            return
        if self._is_machine(uuid):
            machine = Machine(uuid)
            machine.stop(orderly=False)
            for volume_id, volume in record.get("volumes", {}).items():
                self._unloop(uuid, volume_id, volume)
            if destroy_disks:
                shutil.rmtree(machine.dir, ignore_errors=True)
        self.records.pop(uuid, None)
        try:
            os.unlink(os.path.join(RECORDS, uuid + ".json"))
        except OSError:
            pass

    def pause(self, instance):
        if self._is_machine(instance.uuid):
            Machine(instance.uuid).freeze(True)

    def unpause(self, instance):
        if self._is_machine(instance.uuid):
            Machine(instance.uuid).freeze(False)

    def suspend(self, context, instance):
        self.pause(instance)

    def resume(self, context, instance, network_info, block_device_info=None, share_info=None):
        self.unpause(instance)

    def default_root_device_name(self, instance, image_meta, root_bdm):
        """/dev/vda for machines, so that volumes are vdb, vdc and so on whatever bus the image names."""
        if trees.kind_of(instance) not in trees.BOOTED:
            raise NotImplementedError()  # Nova's own choice
        return (image_meta and image_meta.properties.get("img_root_device_name")) or "/dev/vda"

    # -- looking -----------------------------------------------------------------------------------------------------
    def get_info(self, instance, use_cache=True):
        info = super().get_info(instance, use_cache)
        if self._is_machine(instance.uuid):
            self.instances[instance.uuid].state = self._machine_state(instance.uuid)
            return hardware.InstanceInfo(state=self.instances[instance.uuid].state)
        return info

    def get_console_output(self, context, instance):
        if self._is_machine(instance.uuid):
            return Machine(instance.uuid).console().encode()
        return super().get_console_output(context, instance)

    def instance_on_disk(self, instance):
        return self._is_machine(instance.uuid) and os.path.isdir(Machine(instance.uuid).dir)
