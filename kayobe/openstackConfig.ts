/**
 * What openstack-config consumes: a list of images and a list of cluster templates, in the shape of its roles
 * os_images and os_container_clusters. Upstream analogue: its magnum-capi-images.j2 and magnum-capi-templates.j2.
 */
import { isDeepStrictEqual } from "node:util";
import { stringify } from "yaml";
import { parseRelease, workloadMinorsFor } from "../config/versions.ts";
import { templateName } from "../config/templateName.ts";
import { imageProperties, templateLabels } from "../lib/cluster-templates.ts";
import type { KubernetesImage } from "../releases/imageManifest.ts";

/** What every template of a site has in common. */
export interface TemplateSettings {
  readonly externalNetworkId: string;
  readonly controlPlaneFlavor: string;
  readonly workerFlavor: string;
  readonly dnsNameservers: readonly string[];
  readonly networkDriver: string;
  readonly loadBalancerProvider: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly public: boolean;
}

export interface ImageEntry {
  readonly name: string;
  readonly [key: string]: unknown;
}

export interface TemplateEntry {
  readonly name: string;
  readonly image: string;
  readonly is_hidden?: boolean;
  readonly state?: string;
  readonly [key: string]: unknown;
}

export interface Lists {
  readonly images: readonly ImageEntry[];
  readonly templates: readonly TemplateEntry[];
}

/** Images that the deployed Cluster API can make clusters of, and the others. */
export function suitable(images: readonly KubernetesImage[], clusterApi: string) {
  const release = parseRelease(clusterApi);
  const minors = release === undefined ? undefined : workloadMinorsFor(release);
  const fits = ({ kubernetesVersion }: KubernetesImage) =>
    minors?.includes(parseRelease(kubernetesVersion)?.minor ?? -1) === true;
  return { fitting: images.filter(fits), others: images.filter((image) => !fits(image)), minors };
}

/** The entries for a set of images and one release of the chart. */
export function generate(
  images: readonly KubernetesImage[],
  chartVersion: string,
  settings: TemplateSettings,
): { images: ImageEntry[]; templates: TemplateEntry[] } {
  return {
    images: images.map((image) => ({
      name: image.name,
      type: "qcow2",
      image_url: image.url,
      checksum: image.checksum,
      visibility: settings.public ? "public" : "private",
      properties: {
        ...imageProperties(image.kubernetesVersion),
        ...(image.osVersion === undefined ? {} : { os_version: image.osVersion }),
        hw_architecture: "x86_64",
      },
    })),
    templates: images.map((image) => ({
      name: templateName({ kubernetesVersion: image.kubernetesVersion, chartVersion }),
      coe: "kubernetes",
      image: image.name,
      external_network_id: settings.externalNetworkId,
      master_flavor: settings.controlPlaneFlavor,
      flavor: settings.workerFlavor,
      network_driver: settings.networkDriver,
      master_lb_enabled: true,
      floating_ip_enabled: true,
      dns_nameserver: settings.dnsNameservers.join(","),
      public: settings.public,
      labels: templateLabels(chartVersion, settings.loadBalancerProvider, settings.labels),
    })),
  };
}

/**
 * Puts new entries before those of an earlier run. An existing template never changes: one that shall differ gets the
 * next revision in its name. What is no longer generated stays, hidden, with its image, because clusters may use it.
 *
 * @param drop names of templates to delete: they are to be `state: absent`, their images go from the list
 */
export function merge(previous: Lists, wanted: Lists, drop: readonly string[]): Lists {
  const kept = previous.templates.filter(({ name, state }) => !drop.includes(name) && state !== "absent");
  const current = wanted.templates.map((template) => settled(template, kept));
  const names = new Set(current.map(({ name }) => name));
  const old = kept
    .filter(({ name }) => !names.has(name))
    .map((template) => ({ ...template, is_hidden: true }));
  const dropped = previous.templates
    .filter(({ name }) => drop.includes(name))
    .map((template) => ({ ...(without(template, "is_hidden") as TemplateEntry), state: "absent" }));
  const needed = new Set([...current, ...old].map(({ image }) => image));
  const known = new Map(previous.images.map((image) => [image.name, image]));
  const images = wanted.images.filter(({ name }) => needed.has(name));
  const oldImages = [...known.values()].filter(
    ({ name }) => needed.has(name) && !images.some((image) => image.name === name),
  );
  return { images: [...images, ...oldImages], templates: [...current, ...old, ...dropped] };
}

/** The existing template that is like the wanted one, or the wanted one under a name that is free. */
function settled(wanted: TemplateEntry, existing: readonly TemplateEntry[]): TemplateEntry {
  const { name, ...content } = wanted;
  for (let revision = 1; ; revision += 1) {
    const candidate = revision === 1 ? name : `${name}-${revision}`;
    const found = existing.find((template) => template.name === candidate);
    if (found === undefined) return { ...wanted, name: candidate };
    if (isDeepStrictEqual(without(found, "name", "is_hidden"), content))
      return { ...wanted, name: candidate };
  }
}

function without(entry: TemplateEntry, ...keys: string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(entry).filter(([key]) => !keys.includes(key)));
}

/** The variables' names: openstack-config's own, or a site's, to be put together with lists of its own. */
export function variables(prefix: string | undefined) {
  return prefix === undefined
    ? { images: "openstack_images", templates: "openstack_container_clusters_templates" }
    : { images: `${prefix}_images`, templates: `${prefix}_container_clusters_templates` };
}

/** The file's text. */
export function render(lists: Lists, stack: string, prefix: string | undefined): string {
  const names = variables(prefix);
  const header = [
    "---",
    `# Images and cluster templates for Magnum, made by capi-mgmt's bin/openstack-config-export from stack ${stack}.`,
    "# Made again by the next run, which keeps what is here: a template is never changed, one that is no longer",
    "# current is hidden, and one named with --drop is deleted.",
  ];
  const body = stringify(
    { [names.images]: lists.images, [names.templates]: lists.templates },
    { lineWidth: 0 },
  );
  return `${header.join("\n")}\n${body}`;
}
