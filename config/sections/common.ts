/**
 * Objects that several sections share: images, root volumes, charts.
 */
import { z } from "zod";
import {
  chartVersion,
  choice,
  duration,
  flag,
  httpUrl,
  imageChecksum,
  line,
  uuid,
  wholeNumber,
} from "../formats.ts";

/**
 * An image: one that is there (by id or name), or one the program uploads from a URL.
 * A layer that sets one of the three ways takes the place of the way a lower layer chose.
 */
export function image(use: string) {
  return z
    .strictObject({
      id: uuid.optional().meta({ description: `Id of an existing image for ${use}. Excludes name and url.` }),
      name: line.optional().meta({
        description: `Name of an existing image for ${use}; it must be the only one of that name. Excludes id and url.`,
      }),
      url: httpUrl.optional().meta({
        description: `Where to get the image for ${use}; the program uploads it. Excludes id and name.`,
      }),
      checksum: imageChecksum.optional().meta({
        description: "Checksum of what url serves; a download that differs is refused. Only with url.",
        follows: "url",
      }),
      diskFormat: choice("qcow2", "raw").optional().meta({
        description: "Format of what url serves. Without it qcow2. Only with url.",
      }),
    })
    .meta({ alternatives: [["id"], ["name"], ["url", "checksum", "diskFormat"]] });
}

/** A root disk on a Cinder volume instead of the flavor's own disk. */
export const rootVolume = z.strictObject({
  enabled: flag.meta({ description: "Boot from a Cinder volume instead of the flavor's disk." }),
  sizeGb: wholeNumber(10, 16384).meta({ description: "Size of the root volume in GB." }),
  type: line
    .optional()
    .meta({ description: "Volume type of the root volume. Without it the cloud's default." }),
});

/** The same for machines that Cluster API makes. */
export const machineRootVolume = rootVolume.extend({
  availabilityZone: line.optional().meta({
    description:
      "Cinder availability zone of the root volume. Without it the machine's failure domain, whose name must then be a Cinder zone too, else Cinder's default.",
    source: "chart: machineRootVolume.availabilityZone",
  }),
});

/** Which hypervisors a group of machines may share. */
export const serverGroup = (machines: string) =>
  choice("anti-affinity", "soft-anti-affinity", "none").meta({
    description: `Server group made for ${machines}: anti-affinity keeps each on a hypervisor of its own, and wants one more than machines while they roll; soft-anti-affinity does so where there is room. A change rolls the machines.`,
  });

export const serverGroupId = (machines: string) =>
  uuid.optional().meta({
    description: `Id of an existing server group for ${machines}; then none is made.`,
  });

/** A release in a chart repository. */
export const chart = {
  version: chartVersion.meta({ description: "Version of the chart." }),
  repository: httpUrl.meta({
    description: "The chart's repository; with mirror.url set, that mirror's copy is used.",
  }),
};

export const timeout = (description: string, source?: string) =>
  duration.meta({ description, ...(source === undefined ? {} : { source }) });

/** Feature gates of a controller, by name. */
export const featureGates = (controller: string) =>
  z.record(z.string().regex(/^[A-Z][A-Za-z0-9]*$/), flag).meta({
    description: `Feature gates of ${controller}, by name.`,
    legal: "a map of gate name to true or false",
  });

/** Container registry mirrors, by registry host. */
export const registryMirrors = (machines: string) =>
  z.record(z.string().regex(/^[a-z0-9.-]+(:\d+)?$|^\*$/i), z.array(httpUrl)).meta({
    description: `Mirrors that ${machines} use for a container registry, in order, by registry host (docker.io).`,
    legal: "a map of registry host to a list of URLs",
  });
