/** openstack:compute/instance:Instance (resource_openstack_compute_instance_v2.go). */
import { createHash } from "node:crypto";
import { flag, integer, list, map, object, region, set, tagged, text } from "../schema.ts";
import { some, stringsOf, textOf, textsOf, jsonOf, type Kind } from "./kind.ts";
import { createServer } from "./instanceCreate.ts";
import { awaitServer, readServer, removeServer } from "./instanceServer.ts";
import { updateServer } from "./instanceUpdate.ts";

const POWER_STATES = ["active", "shutoff", "shelved_offloaded", "paused"];

export const instance: Kind = {
  token: "openstack:compute/instance:Instance",
  title: "compute instance",
  timeout: 1800,
  // accessIpV4/6 and the last two left upstream with v3; the other two are inputs this project has no use for.
  unsupported: ["accessIpV4", "accessIpV6", "floatingIp", "volumes"],
  schema: {
    region,
    name: text({ autoname: true }),
    imageId: text({ computed: true }),
    imageName: text({ computed: true }),
    flavorId: text({ computed: true }),
    flavorName: text({ computed: true }),
    userData: text({ replace: true, kept: hashed }),
    securityGroups: set({ computed: true }),
    availabilityZoneHints: text({ replace: true, conflicts: ["availabilityZone"] }),
    availabilityZone: text({
      computed: true,
      replace: true,
      conflicts: ["availabilityZoneHints"],
      // zone:host:node asks for a place; Nova answers with the zone alone.
      same: (kept, wanted) => textOf(wanted).split(":")[0] === kept,
    }),
    networkMode: text({ replace: true, legal: ["auto", "none"], conflicts: ["networks"] }),
    networks: list({
      computed: true,
      replace: true,
      fields: {
        uuid: text({ computed: true }),
        name: text({ computed: true }),
        port: text({ computed: true }),
        fixedIpV4: text({ computed: true }),
        fixedIpV6: text({ computed: true }),
        mac: text({ output: true }),
        accessNetwork: flag({ default: false }),
      },
    }),
    metadata: map(),
    configDrive: flag({ replace: true }),
    adminPass: text({ secret: true }),
    keyPair: text({ replace: true }),
    blockDevices: list({
      fields: {
        sourceType: text({ required: true, replace: true, legal: ["blank", "image", "snapshot", "volume"] }),
        uuid: text({ replace: true }),
        volumeSize: integer({ replace: true }),
        destinationType: text({ replace: true, legal: ["local", "volume"] }),
        bootIndex: integer({ replace: true }),
        deleteOnTermination: flag({ default: false, replace: true }),
        guestFormat: text({ replace: true }),
        volumeType: text({ replace: true }),
        deviceType: text({ replace: true }),
        diskBus: text({ replace: true }),
        multiattach: flag({ default: false, replace: true }),
      },
    }),
    schedulerHints: list({
      fields: {
        group: text({ replace: true }),
        differentHosts: list({ replace: true }),
        sameHosts: list({ replace: true }),
        queries: list({ replace: true }),
        targetCell: text({ replace: true }),
        differentCells: list({ replace: true }),
        buildNearHostIp: text({ replace: true }),
        additionalProperties: map({ replace: true }),
      },
    }),
    personalities: set({ fields: { file: text({ required: true }), content: text({ required: true }) } }),
    stopBeforeDestroy: flag({ default: false }),
    forceDelete: flag({ default: false }),
    powerState: text({
      default: "active",
      legal: POWER_STATES,
      // A server in trouble or on the move is not told to start: upstream leaves that to the operator.
      same: (kept) => !POWER_STATES.includes(textOf(kept)),
    }),
    allMetadata: map({ output: true }),
    accessIpV4: text({ output: true }),
    accessIpV6: text({ output: true }),
    created: text({ output: true }),
    updated: text({ output: true }),
    vendorOptions: object({
      ignoreResizeConfirmation: flag({ default: false }),
      detachPortsBeforeDestroy: flag({ default: false }),
    }),
    ...tagged,
  },

  problems(inputs) {
    const problems: { property: string; reason: string }[] = [];
    if (!inputs["flavorId"] && !inputs["flavorName"]) {
      problems.push({ property: "flavorId", reason: "one of flavorId and flavorName is required" });
    }
    const devices = inputs["blockDevices"];
    if (!inputs["imageId"] && !inputs["imageName"] && !(Array.isArray(devices) && devices.length > 0)) {
      problems.push({
        property: "imageId",
        reason: "one of imageId, imageName and blockDevices is required",
      });
    }
    return problems;
  },

  /** Nova cannot resize a server whose flavor is gone. */
  replaces: (state, changed) =>
    ["flavorId", "flavorName"].filter((name) => changed.has(name) && textOf(state["flavorName"]) === ""),

  create: (context, wanted) => createServer(context, wanted),

  read: async (context, id, state) => {
    const found = await readServer(context, id, state);
    return (
      found && {
        ...found,
        // Kept as upstream keeps them: userData as its hash, metadata as far as the program speaks of it.
        ...(some(state["userData"]) ? { userData: hashed(state["userData"] ?? "") } : {}),
        metadata: ownMetadata(stringsOf(found["allMetadata"]), stringsOf(state["metadata"])),
        tags: textsOf(state["tags"]).length > 0 ? (found["allTags"] ?? []) : [],
      }
    );
  },

  settle: async (context, id, wanted) => {
    const off = textOf(wanted["powerState"]) === "shutoff";
    await awaitServer(context, id, [
      "ACTIVE",
      "SHUTOFF",
      "PAUSED",
      "SHELVED_OFFLOADED",
      ...(off ? ["STOPPED"] : []),
    ]);
  },

  update: updateServer,
  remove: (context, id, state) =>
    removeServer(context, id, {
      stopFirst: state["stopBeforeDestroy"] === true,
      force: state["forceDelete"] === true,
      detachPorts: jsonOf(state["vendorOptions"])["detachPortsBeforeDestroy"] === true,
    }),
};

/** SHA-1 of user data, the form upstream keeps in state; a hash stays as it is. */
function hashed(value: unknown): string {
  const content = textOf(value);
  return /^[0-9a-f]{40}$/.test(content) ? content : createHash("sha1").update(content).digest("hex");
}

function ownMetadata(all: Record<string, string>, recorded: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(all).filter(([key]) => Object.hasOwn(recorded, key)));
}
