/**
 * The rules every site is held to. Each message says how to comply.
 */
import { z } from "zod";
import { formatPath } from "../config/tree.ts";
import type { PolicyContext, PolicyResource, Rule, Violation } from "./rule.ts";

const TYPE = {
  securityGroupRule: "openstack:networking/secGroupRule:SecGroupRule",
  floatingIp: "openstack:networking/floatingIp:FloatingIp",
  volume: "openstack:blockstorage/volume:Volume",
  release: "kubernetes:helm.sh/v3:Release",
  openstackProvider: "pulumi:providers:openstack",
} as const;

/** SSH and the Kubernetes API: what an attacker looks for first. */
const GUARDED_PORTS = [22, 6443];

/** Ports 22 and 6443 are not open to the whole internet. */
const closedPorts: Rule = {
  name: "closed-ports",
  description: "SSH and the Kubernetes APIs are open to named networks only.",
  check: ({ config, resources }) => {
    const violations: Violation[] = ofType(resources, TYPE.securityGroupRule)
      .filter(
        ({ inputs }) =>
          inputs["direction"] === "ingress" && isEverywhere(inputs) && guardedPorts(inputs).length > 0,
      )
      .map(({ name, inputs }) => ({
        subject: name,
        message: `opens port ${guardedPorts(inputs).join(" and ")} to everyone: list your networks in seed.access.allowedCidrs.ssh and .api`,
      }));
    for (const [path, cidrs] of [
      ["seed.access.allowedCidrs.ssh", config.seed.access.allowedCidrs.ssh],
      ["seed.access.allowedCidrs.api", config.seed.access.allowedCidrs.api],
      ["cluster.apiServer.allowedCidrs", config.cluster.apiServer.allowedCidrs],
    ] as const) {
      if (cidrs.some((cidr) => cidr.endsWith("/0"))) {
        violations.push({
          subject: path,
          message: "allows everyone: list the networks that need it, one address as /32",
        });
      }
    }
    for (const { name, source, portMin = 0, portMax = 0 } of config.cluster.network.workerRules ?? []) {
      const open = GUARDED_PORTS.filter((port) => portMin <= port && port <= portMax);
      if (source.endsWith("/0") && open.length > 0) {
        violations.push({
          subject: `cluster.network.workerRules: ${name}`,
          message: `opens port ${open.join(" and ")} of the workers to everyone: name the networks that need it`,
        });
      }
    }
    const { floatingIp, allowedCidrs } = config.cluster.apiServer;
    // Octavia reads an empty list as no restriction.
    if (config.cluster.enabled && floatingIp && allowedCidrs.length === 0) {
      violations.push({
        subject: "cluster.apiServer.allowedCidrs",
        message:
          "is empty, so the cluster's API is open to everyone at its floating IP: list the runner's and Magnum's networks",
      });
    }
    return violations;
  },
};

/** Production sites keep what cannot be made again. */
const protectedData: Rule = {
  name: "protected-data",
  description: "The seed's data volume and the HA cluster are protected where pipeline.tier is production.",
  check: ({ config, resources }) => {
    if (config.pipeline.tier !== "production") return [];
    const violations = ofType(resources, TYPE.volume)
      .filter(({ name, protect }) => name.endsWith("-data") && !protect)
      .map(({ name }) => ({ subject: name, message: "is not protected: set protect.dataVolume to true" }));
    if (config.cluster.enabled && !config.protect.cluster) {
      violations.push({
        subject: "protect.cluster",
        message: "is false, so a mistaken change can delete the HA cluster: set it to true",
      });
    }
    return violations;
  },
};

/** A seed is one machine. */
const haCluster: Rule = {
  name: "ha-cluster",
  description: "Where pipeline.tier is production Magnum is given the HA cluster, not k3s on the seed.",
  check: ({ config }) =>
    config.pipeline.tier !== "production" || config.cluster.enabled
      ? []
      : [
          {
            subject: "cluster.enabled",
            message:
              "is false, so one machine manages every cluster of Magnum's: set it to true, or pipeline.tier to staging or none",
            advisory: true,
          },
        ],
};

/** A version that came with the program is the program's to pin: a new site cannot be at fault for it. */
const PIN = "bin/check-releases --pin writes it for the versions that come with this program";

/** What is downloaded is what was reviewed. */
const pinnedVersions: Rule = {
  name: "pinned-versions",
  description: "Every download has an exact version, and binaries, manifests and images a checksum.",
  check: ({ config, defaults, resources }) => {
    const violations: Violation[] = ofType(resources, TYPE.release)
      .filter(
        ({ inputs }) => typeof inputs["version"] !== "string" || !/^v?\d+\.\d+\.\d+/.test(inputs["version"]),
      )
      .map(({ name }) => ({
        subject: name,
        message: "has no exact chart version: set the version beside its repository",
      }));
    // A checksum file beside the download proves that it is whole, not that its origin is honest.
    const withFile = "is held only against the checksum file of its own origin";
    const withoutFile = "is taken as served";
    for (const [path, item, held] of [
      ["k3s", config.k3s, withFile],
      ["tools.kubectl", config.tools.kubectl, withFile],
      ["tools.helm", config.tools.helm, withFile],
      ...config.tools.install.map((name) => [`tools.${name}`, config.tools[name], withFile] as const),
      ["clusterApi.orc", config.clusterApi.orc, withoutFile],
      ["clusterApi.core", config.clusterApi.core, withoutFile],
      ["clusterApi.openstack", config.clusterApi.openstack, withoutFile],
    ] as const) {
      if (item.sha256 === undefined) {
        const shipped = defaults.has(`${path}.version`);
        const remedy = shipped ? PIN : "add the release's SHA-256 after checking it";
        const message = `is not set, so ${item.version} ${held}: ${remedy}`;
        violations.push({ subject: `${path}.sha256`, message, advisory: shipped });
      }
    }
    for (const [path, image] of [
      ["seed.image", config.seed.image],
      ["cluster.image", config.cluster.image],
    ] as const) {
      if (image.url !== undefined && image.checksum === undefined) {
        const shipped = defaults.has(`${path}.url`);
        const message = `is not set: ${shipped ? PIN : "add the checksum the image's publisher states"}`;
        violations.push({ subject: `${path}.checksum`, message, advisory: shipped });
      }
    }
    return violations;
  },
};

/** Nobody between us and the cloud. */
const verifiedTls: Rule = {
  name: "verified-tls",
  description: "TLS is verified everywhere, and nothing is fetched without it.",
  check: ({ config, resources }) => {
    const violations: Violation[] = ofType(resources, TYPE.openstackProvider)
      .filter(({ inputs }) => inputs["insecure"] === true || inputs["insecure"] === "true")
      .map(({ name }) => ({
        subject: name,
        message: "does not verify TLS: give the cloud's CA as openstack.caCert instead",
      }));
    violations.push(
      ...ofType(resources, TYPE.release)
        .filter(
          ({ inputs }) => inputs["chart"] === "openstack-cluster" && !verifiesInCluster(inputs["values"]),
        )
        .map(({ name }) => ({
          subject: name,
          message:
            'lets the cloud controller manager and Cinder\'s driver take any certificate: set the value addons.openstack.cloudConfig.global to {"tls-insecure": "false"}',
        })),
    );
    for (const [path, url] of [
      ["openstack.authUrl", config.openstack.authUrl],
      ["mirror.url", config.mirror.url],
      ["seed.image.url", config.seed.image.url],
      ["cluster.image.url", config.cluster.image.url],
    ] as const) {
      if (url?.startsWith("http://") === true)
        violations.push({ subject: path, message: "is not https: use the https address" });
    }
    return violations;
  },
};

/** No secret in a repository or a datastore in plain. */
const encryptedSecrets: Rule = {
  name: "encrypted-secrets",
  description: "Secrets are encrypted in the stack file and in k3s's datastore.",
  check: ({ config, plainSecrets }) => {
    const violations = plainSecrets.map((path) => ({
      subject: path,
      message: `stands in the stack file in plain: rotate it, then pulumi config set --secret --path 'capi-mgmt:${path}'`,
    }));
    if (!config.k3s.secretsEncryption) {
      violations.push({
        subject: "k3s.secretsEncryption",
        message: "is false, so the seed's datastore holds credentials in plain: set it to true",
      });
    }
    return violations;
  },
};

/** A public address is a decision, not a by-product. */
const deliberateFloatingIps: Rule = {
  name: "deliberate-floating-ips",
  description: "Only the seed and the cluster's API have floating IPs, each asked for in the configuration.",
  check: ({ config, resources }) => {
    const wanted =
      (config.seed.access.method === "floatingIp" && config.seed.access.floatingIpAddress === undefined
        ? 1
        : 0) +
      (config.cluster.enabled &&
      config.cluster.apiServer.floatingIp &&
      config.cluster.apiServer.floatingIpAddress === undefined
        ? 1
        : 0);
    const floatingIps = ofType(resources, TYPE.floatingIp);
    if (floatingIps.length <= wanted) return [];
    const names = floatingIps.map(({ name }) => name).join(", ");
    return [
      {
        subject: names,
        message: `${floatingIps.length} floating IPs where the configuration asks for ${wanted}: drop the others, or ask for them in seed.access and cluster.apiServer`,
      },
    ];
  },
};

/** What is handed to Magnum can be taken back. */
const revocableMagnumAccess: Rule = {
  name: "revocable-magnum-access",
  description:
    "Magnum's kubeconfig holds a token, which can be revoked, and not a certificate, which cannot.",
  check: ({ config }) =>
    config.magnum.kubeconfig.kind === "token"
      ? []
      : [
          {
            subject: "magnum.kubeconfig.kind",
            message:
              "is certificate: a client certificate cannot be revoked and ends after a year; use token",
          },
        ],
};

/** The program's own values stand for what was tested together. */
const programValues: Rule = {
  name: "program-values",
  description: "Extra values of a chart add to what the program sets, and replace none of it.",
  check: ({ config }) =>
    Object.entries(config.extraValues).flatMap(([release, extra]) =>
      Object.keys(extra.override ?? {}).map((path) => ({
        subject: formatPath(["extraValues", release, "override", path]),
        message:
          "replaces a value that the program sets: use the setting that makes it, or exempt the rule with the reason",
      })),
    ),
};

/** All rules, in the order in which findings are reported. */
export const rules: readonly Rule[] = [
  closedPorts,
  protectedData,
  haCluster,
  pinnedVersions,
  verifiedTls,
  encryptedSecrets,
  deliberateFloatingIps,
  revocableMagnumAccess,
  programValues,
];

function ofType(resources: PolicyContext["resources"], type: string): PolicyResource[] {
  return resources.filter((resource) => resource.type === type);
}

const addonValues = z.object({
  addons: z.object({
    openstack: z.object({
      cloudConfig: z.object({ global: z.object({ "tls-insecure": z.literal("false") }) }),
    }),
  }),
});

/** Without a cacert the chart writes tls-insecure=true, which only a section of another spelling takes back. */
function verifiesInCluster(values: unknown): boolean {
  return addonValues.safeParse(values).success;
}

/** No source at all is what Neutron reads as any source. */
function isEverywhere(inputs: PolicyResource["inputs"]): boolean {
  const prefix = inputs["remoteIpPrefix"];
  if (typeof prefix === "string" && prefix !== "") return prefix.endsWith("/0");
  return inputs["remoteGroupId"] === undefined || inputs["remoteGroupId"] === "";
}

function guardedPorts(inputs: PolicyResource["inputs"]): number[] {
  const protocol = inputs["protocol"];
  if (protocol !== undefined && protocol !== "" && protocol !== "tcp" && protocol !== "6") return [];
  const from = Number(inputs["portRangeMin"] ?? 0);
  const to = Number(inputs["portRangeMax"] ?? 0);
  // Neutron reads a rule without ports as all ports.
  if (from === 0 && to === 0) return GUARDED_PORTS;
  return GUARDED_PORTS.filter((port) => from <= port && port <= to);
}
