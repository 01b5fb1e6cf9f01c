/**
 * Each kind of problem with its whole text.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { formatProblems } from "../../config/problems.ts";
import { FILES, loadSite, loadStack, NETWORK, OTHER_NETWORK, problemsOf } from "./support.ts";

const SHA = "0".repeat(64);

/** What is changed in the smallest site, and every line that must come of it. */
const TABLE: readonly (readonly [name: string, changes: unknown, lines: readonly string[]])[] = [
  // Single fields.
  [
    "a number with letters",
    { cluster: { workers: { count: "3abc" } } },
    ['cluster.workers.count: has the wrong type (got "3abc"; legal a whole number from 1 to 100)'],
  ],
  [
    "a fraction",
    { cluster: { workers: { count: 2.5 } } },
    ["cluster.workers.count: has the wrong type (got 2.5; legal a whole number from 1 to 100)"],
  ],
  [
    "a number too small",
    { cluster: { workers: { count: 0 } } },
    ["cluster.workers.count: is too small (got 0; legal a whole number from 1 to 100)"],
  ],
  [
    "a number too large",
    { seed: { dataVolume: { sizeGb: 99999 } } },
    ["seed.dataVolume.sizeGb: is too large (got 99999; legal a whole number from 10 to 16384)"],
  ],
  [
    "a word for a flag",
    { monitoring: { enabled: "yes" } },
    ['monitoring.enabled: has the wrong type (got "yes"; legal true or false)'],
  ],
  [
    "a text for a map",
    { seed: { network: "net" } },
    [
      'seed.network: has the wrong type (got "net"; legal a map of externalNetworkId, networkId, subnetId, cidr, dnsNameservers, mtu)',
    ],
  ],
  [
    "a text for a list",
    { seed: { access: { allowedCidrs: { ssh: "10.0.0.0/8" } } } },
    [
      'seed.access.allowedCidrs.ssh: has the wrong type (got "10.0.0.0/8"; legal a list, each an IPv4 network such as 192.0.2.0/24, one address as /32)',
    ],
  ],
  [
    "an id that is none",
    { seed: { network: { externalNetworkId: "public" } } },
    [
      'seed.network.externalNetworkId: is not valid (got "public"; legal a UUID such as 5617d17e-fdc1-4aa1-a14b-b9b5136c65af)',
    ],
  ],
  [
    "a network with host bits",
    { seed: { network: { cidr: "192.168.100.1/24" } } },
    [
      'seed.network.cidr: is not valid (got "192.168.100.1/24"; legal an IPv4 network such as 192.168.100.0/24)',
    ],
  ],
  [
    "one source of several",
    { seed: { access: { allowedCidrs: { api: ["10.0.0.0/8", "::/0"] } } } },
    [
      'seed.access.allowedCidrs.api[1]: is not valid (got "::/0"; legal an IPv4 network such as 192.0.2.0/24, one address as /32)',
    ],
  ],
  [
    "a duration in words",
    { cluster: { timeouts: { ready: "an hour" } } },
    ['cluster.timeouts.ready: is not valid (got "an hour"; legal a duration such as 90s, 30m or 1h30m)'],
  ],
  [
    "a duration of nothing",
    { cluster: { timeouts: { ready: "0s" } } },
    ['cluster.timeouts.ready: is not valid (got "0s"; legal a duration such as 90s, 30m or 1h30m)'],
  ],
  [
    "a quantity without sense",
    { monitoring: { prometheus: { size: "10GB" } } },
    ['monitoring.prometheus.size: is not valid (got "10GB"; legal a quantity of bytes such as 10Gi)'],
  ],
  [
    "a version without v",
    { clusterApi: { core: { version: "1.14.0" } } },
    ['clusterApi.core.version: is not valid (got "1.14.0"; legal a version such as v1.2.3)'],
  ],
  [
    "a k3s version without its build",
    { k3s: { version: "v1.34.8" } },
    ['k3s.version: is not valid (got "v1.34.8"; legal a k3s release such as v1.34.8+k3s1)'],
  ],
  [
    "a URL with credentials",
    { mirror: { url: "https://user:word@mirror.example" } },
    ["mirror.url: is not valid (got [secret]; legal an http:// or https:// URL without credentials)"],
  ],
  [
    "a certificate that is none",
    { openstack: { caCert: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" } },
    [
      'openstack.caCert: is not valid (got "-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----\\n"; legal one or more PEM certificates (-----BEGIN CERTIFICATE----- …))',
    ],
  ],
  [
    "a word of several",
    { seed: { access: { method: "floating" } } },
    ['seed.access.method: is not valid (got "floating"; legal floatingIp, provisioningNetwork, direct)'],
  ],
  [
    "a percentage above all",
    { cluster: { workers: { rollout: { maxSurge: "140%" } } } },
    [
      'cluster.workers.rollout.maxSurge: is not valid (got "140%"; legal a whole number from 0, or a percentage such as 40%)',
    ],
  ],
  [
    "an exemption without a day",
    { policy: { exemptions: [{ rule: "open-ssh", reason: "moving", expires: "2027-02-30" }] } },
    ['policy.exemptions[0].expires: is not valid (got "2027-02-30"; legal a day such as 2027-04-30)'],
  ],
  [
    "a machine group that the chart refuses",
    { cluster: { workers: { groupName: "0-md" } } },
    [
      'cluster.workers.groupName: is not valid (got "0-md"; legal 3 to 63 lower-case letters, digits and dashes, a letter first)',
    ],
  ],
  // Keys.
  [
    "a key misspelled",
    { seed: { flavour: "x" } },
    ["seed.flavour: is not a known key; did you mean seed.flavor?"],
  ],
  ["a section misspelled", { clusters: {} }, ["clusters: is not a known key; did you mean cluster?"]],
  [
    "a key in the wrong place",
    { seed: { externalNetworkId: NETWORK } },
    ["seed.externalNetworkId: is not a known key; did you mean seed.network.externalNetworkId?"],
  ],
  [
    "an azimuth variable",
    { capi_cluster_worker_count: 3 },
    ["capi_cluster_worker_count: is not a known key; did you mean cluster.workers.count?"],
  ],
  [
    "a key like nothing",
    { magnum: { frobnication: true } },
    ["magnum.frobnication: is not a known key (legal kubeconfig, templates)"],
  ],
  [
    "a gate with a wrong name",
    { clusterApi: { core: { featureGates: { "machine pool": true } } } },
    [
      'clusterApi.core.featureGates["machine pool"]: is not a legal key (legal a map of gate name to true or false)',
    ],
  ],
  // Layers.
  [
    "a layer that does not exist",
    { layers: ["prodution"] },
    ['layers[0]: is not the name of a layer (got "prodution"; legal development, lab, production)'],
  ],
  // Networks.
  [
    "seed and pods overlap",
    { seed: { network: { cidr: "172.20.0.0/24" } } },
    [
      'seed.network.cidr: overlaps with cluster.network.podCidr 172.16.0.0/13 (got "172.20.0.0/24"; legal networks that share no address)',
    ],
  ],
  [
    "seed and k3s overlap",
    { seed: { network: { cidr: "10.43.7.0/24" } } },
    [
      'seed.network.cidr: overlaps with k3s\'s services 10.43.0.0/16 (got "10.43.7.0/24"; legal networks that share no address)',
    ],
  ],
  [
    "pods and services overlap, in a default too",
    { cluster: { network: { podCidr: "172.16.0.0/12" } } },
    [
      'cluster.network.podCidr: overlaps with cluster.network.serviceCidr 172.24.0.0/13 (got "172.16.0.0/12"; legal networks that share no address)',
    ],
  ],
  [
    "machines' own network overlaps with the seed's",
    { cluster: { network: { useSeedNetwork: false, nodeCidr: "192.168.0.0/16" } } },
    [
      'seed.network.cidr: overlaps with cluster.network.nodeCidr 192.168.0.0/16 (got "192.168.100.0/24"; legal networks that share no address) [defaults]',
    ],
  ],
  ["an unused network may overlap", { cluster: { network: { nodeCidr: "192.168.0.0/16" } } }, []],
  [
    "a network too small",
    { seed: { network: { cidr: "192.168.100.0/29" } } },
    ['seed.network.cidr: is too small a network (got "192.168.100.0/29"; legal a prefix of at most /27)'],
  ],
  [
    "a subnet without its network",
    { seed: { network: { subnetId: NETWORK } } },
    ["seed.network.subnetId: has no effect without seed.network.networkId (legal both or neither)"],
  ],
  [
    "MTU of a network that exists",
    { seed: { network: { networkId: OTHER_NETWORK, mtu: 1450 } } },
    ["seed.network: sets options that exclude each other (got networkId, mtu; legal one of networkId, mtu)"],
  ],
  [
    "two networks for the cluster",
    { cluster: { network: { networkId: OTHER_NETWORK } } },
    [
      "cluster.network.networkId: contradicts cluster.network.useSeedNetwork (got useSeedNetwork true; legal useSeedNetwork false with networkId)",
    ],
  ],
  // Access.
  [
    "a provisioning network that is not named",
    { seed: { access: { method: "provisioningNetwork" } } },
    [
      "seed.access.provisioningNetworkId: is required with seed.access.method provisioningNetwork (got nothing; legal the network's id)",
    ],
  ],
  [
    "a provisioning network that is not used",
    { seed: { access: { provisioningNetworkId: OTHER_NETWORK } } },
    [
      "seed.access.provisioningNetworkId: has no effect with seed.access.method floatingIp (legal method provisioningNetwork, or no provisioningNetworkId)",
    ],
  ],
  [
    "direct access to a network behind a router",
    { seed: { access: { method: "direct", floatingIpAddress: "203.0.113.9" } } },
    [
      "seed.access.floatingIpAddress: has no effect with seed.access.method direct (legal method floatingIp, or no floatingIpAddress)",
      "seed.network.networkId: is required with seed.access.method direct (got nothing; legal the id of a network that the runner reaches)",
    ],
  ],
  [
    "nobody may log in",
    { seed: { access: { allowedCidrs: { ssh: [] } } } },
    [
      "seed.access.allowedCidrs.ssh: lets nobody in, not even this program (got a list of 0; legal a list with the runner's address or network)",
    ],
  ],
  [
    "one address for two",
    {
      seed: { access: { floatingIpAddress: "203.0.113.9" } },
      cluster: { apiServer: { floatingIpAddress: "203.0.113.9" } },
    },
    [
      'cluster.apiServer.floatingIpAddress: is also seed.access.floatingIpAddress (got "203.0.113.9"; legal two different addresses)',
    ],
  ],
  [
    "an API that the seed does not reach",
    { cluster: { apiServer: { floatingIp: false }, network: { useSeedNetwork: false } } },
    [
      "cluster.apiServer.floatingIp: cannot be false while the cluster is in a network of its own that the seed does not reach (got false; legal true, or cluster.network.useSeedNetwork true, or an existing cluster.network.networkId)",
    ],
  ],
  [
    "a provider that lets everybody in",
    { cluster: { apiServer: { loadBalancerProvider: "ovn" } } },
    [
      "cluster.apiServer.allowedCidrs: cannot be enforced by cluster.apiServer.loadBalancerProvider ovn: the API would be open to all (got a list of 3; legal loadBalancerProvider amphora, or an empty list to open the API deliberately) [defaults]",
    ],
  ],
  ["… when it is told to", { cluster: { apiServer: { loadBalancerProvider: "ovn", allowedCidrs: [] } } }, []],
  [
    "properties of networks that are there",
    {
      seed: { network: { networkId: OTHER_NETWORK, dnsNameservers: ["192.0.2.53"] } },
      cluster: {
        network: { mtu: 1450, dnsNameservers: ["192.0.2.53"] },
        apiServer: { routerAddresses: ["203.0.113.9"] },
      },
    },
    [
      "seed.network.dnsNameservers: has no effect with seed.network.networkId (legal an empty list: the existing subnet says it)",
      "cluster.network.dnsNameservers: has no effect with cluster.network.useSeedNetwork (legal an empty list: that network says it)",
      "cluster.network.mtu: has no effect with cluster.network.useSeedNetwork (legal seed.network.mtu)",
    ],
  ],
  ...(
    [
      ["the machines' network", { seed: { network: { networkId: OTHER_NETWORK } } }],
      [
        "the machines' network",
        { cluster: { network: { useSeedNetwork: false, networkId: OTHER_NETWORK } } },
      ],
      [
        "the seed's network",
        { seed: { access: { method: "provisioningNetwork", provisioningNetworkId: OTHER_NETWORK } } },
      ],
    ] as const
  ).map(([whose, values]): [string, Record<string, unknown>, string[]] => [
    `an existing network without its router's addresses (${whose}: ${Object.keys(values).join()})`,
    values,
    [
      `cluster.apiServer.routerAddresses: is required with ${whose} ${OTHER_NETWORK}, which exists: what is behind its router would not reach the API (got nothing; legal the external addresses of that router (openstack router show), an empty list if no router changes the sources' addresses, or an empty cluster.apiServer.allowedCidrs)`,
    ],
  ]),
  [
    "… with an API that is open to all",
    { seed: { network: { networkId: OTHER_NETWORK } }, cluster: { apiServer: { allowedCidrs: [] } } },
    [],
  ],
  [
    "… with a list that says there is none",
    { seed: { network: { networkId: OTHER_NETWORK } }, cluster: { apiServer: { routerAddresses: [] } } },
    [],
  ],
  // Machines.
  [
    "an even control plane",
    { cluster: { controlPlane: { count: 4 } } },
    ["cluster.controlPlane.count: must be odd, since etcd needs a majority (got 4; legal 1, 3, 5, 7 or 9)"],
  ],
  [
    "two images",
    { seed: { image: { id: NETWORK, name: "noble" } } },
    ["seed.image: sets options that exclude each other (got id, name; legal one of id, name, url)"],
  ],
  [
    "a checksum of nothing",
    { cluster: { image: { checksum: `sha256:${SHA}` } } },
    ["cluster.image.checksum: has no effect without cluster.image.url (legal only with url)"],
  ],
  [
    "half a key pair",
    { seed: { keypair: { publicKey: `ssh-ed25519 ${"A".repeat(68)} me` } } },
    [
      "seed.keypair.privateKey: is required with seed.keypair.publicKey (got nothing; legal both, or neither for a generated pair; keys that may only log in go to seed.authorizedKeys)",
    ],
  ],
  [
    "a rollout that cannot move",
    { cluster: { workers: { rollout: { maxSurge: "0%" } } } },
    [
      "cluster.workers.rollout: could never replace a machine (got maxSurge 0 and maxUnavailable 0; legal at least one of them above 0)",
    ],
  ],
  [
    "elections faster than heartbeats",
    { cluster: { etcd: { electionTimeoutMs: 1000 } } },
    ["cluster.etcd.electionTimeoutMs: is less than five heartbeats (got 1000; legal at least 2500)"],
  ],
  [
    "health before start-up",
    { cluster: { healthChecks: { remediation: { minHealthyPeriod: "10m" } } } },
    [
      'cluster.healthChecks.remediation.minHealthyPeriod: is shorter than cluster.healthChecks.nodeStartup (got "10m"; legal at least 30m)',
    ],
  ],
  [
    "a type for no disk",
    { cluster: { controlPlane: { etcdVolume: { type: "ssd" } } } },
    ["cluster.controlPlane.etcdVolume.type: has no effect with sizeGb 0 (legal sizeGb above 0)"],
  ],
  [
    "a volume of less than a GiB",
    { monitoring: { alertmanager: { size: "500Mi" } } },
    ['monitoring.alertmanager.size: is less than a Cinder volume can be (got "500Mi"; legal at least 1Gi)'],
  ],
  // Versions.
  [
    "a Cluster API release we do not know",
    { clusterApi: { core: { version: "v1.9.4" } } },
    [
      'clusterApi.openstack.version: does not go with Cluster API v1.9.4 (got "v0.14.7"; legal with Cluster API 1.12 to 1.15) [defaults]',
      'clusterApi.core.version: is not a supported release (got "v1.9.4"; legal v1.12.x, v1.13.x, v1.14.x)',
    ],
  ],
  [
    "Kubernetes too old for Cluster API",
    { cluster: { kubernetesVersion: "v1.32.9" }, tools: { kubectl: { version: "v1.33.1" } } },
    [
      'cluster.kubernetesVersion: does not go with Cluster API v1.14.0 (got "v1.32.9"; legal Kubernetes 1.33, 1.34, 1.35, 1.36)',
    ],
  ],
  [
    "Kubernetes 1.37 needs Cluster API 1.14.1",
    {
      k3s: { version: "v1.37.0+k3s1" },
      tools: { kubectl: { version: "v1.36.3" } },
      cluster: { kubernetesVersion: "v1.36.3" },
    },
    [
      'k3s.version: does not go with Cluster API v1.14.0 (got "v1.37.0+k3s1"; legal Kubernetes 1.33, 1.34, 1.35, 1.36)',
    ],
  ],
  [
    "… and has it there",
    {
      k3s: { version: "v1.37.0+k3s1" },
      tools: { kubectl: { version: "v1.36.3" } },
      cluster: { kubernetesVersion: "v1.36.3" },
      clusterApi: { core: { version: "v1.14.1" } },
    },
    [],
  ],
  [
    "CAPO we do not know, too old for the janitor",
    { clusterApi: { openstack: { version: "v0.11.3" } } },
    [
      'clusterApi.openstack.version: is not a supported release (got "v0.11.3"; legal v0.12.x, v0.13.x, v0.14.x)',
      "clusterApi.janitor.enabled: does not go with CAPO v0.11.3 (got true; legal CAPO v0.14.0 or newer, or false) [defaults]",
    ],
  ],
  [
    "kubectl too far from the seed",
    { k3s: { version: "v1.36.3+k3s1" } },
    [
      'tools.kubectl.version: is more than one minor release from k3s.version v1.36.3+k3s1 (got "v1.34.8"; legal Kubernetes 1.35, 1.36, 1.37) [defaults]',
    ],
  ],
  [
    "certificates rolled by a chart that cannot",
    { cluster: { controlPlane: { certificatesExpiryDays: 21 } } },
    [
      "cluster.controlPlane.certificatesExpiryDays: has no effect with cluster.chart.version 0.27.0 (got 21; legal 0, or a chart newer than 0.27.0)",
    ],
  ],
  [
    "certificates rolled too late",
    { cluster: { controlPlane: { certificatesExpiryDays: 3 }, chart: { version: "0.28.0" } } },
    [
      "cluster.controlPlane.certificatesExpiryDays: is less than Cluster API accepts (got 3; legal 0, or 7 to 364)",
    ],
  ],
  [
    "a chart that would leave the API open",
    { cluster: { chart: { version: "0.23.1" } } },
    [
      "cluster.apiServer.allowedCidrs: has no effect with cluster.chart.version 0.23.1 (got a list of 3; legal chart 0.24.0 or newer, or an empty list) [defaults]",
    ],
  ],
  // Secrets.
  [
    "a private key where a public one belongs",
    { seed: { authorizedKeys: ["-----BEGIN OPENSSH PRIVATE KEY-----\nTOPSECRET"] } },
    [
      "seed.authorizedKeys[0]: is not valid (got [secret]; legal an OpenSSH public key such as ssh-ed25519 AAAA… name)",
    ],
  ],
  [
    "a webhook where the channel belongs",
    { monitoring: { slack: { channel: ["x"] }, rules: { disabled: "https://hooks.slack.com/TOPSECRET" } } },
    [
      "monitoring.slack.channel: has the wrong type (got a list of 1; legal text on one line)",
      "monitoring.rules.disabled: has the wrong type (got [secret]; legal a list, each text on one line)",
    ],
  ],
  [
    "a secret that is not valid",
    { monitoring: { slack: { webhookUrl: "hooks.slack.com/TOPSECRET" } } },
    [
      "monitoring.slack.webhookUrl: is not valid (got [secret]; legal an http:// or https:// URL without credentials)",
    ],
  ],
  [
    "a secret in place of the map around it",
    { monitoring: { slack: "https://hooks.slack.com/TOPSECRET" } },
    [
      "monitoring.slack: has the wrong type (got [secret]; legal a map of webhookUrl, warningWebhookUrl, criticalWebhookUrl, channel, severities)",
    ],
  ],
  [
    "a secret under a misspelled key",
    { monitoring: { slack: { webhookurl: "https://hooks.slack.com/TOPSECRET" } } },
    ["monitoring.slack.webhookurl: is not a known key; did you mean monitoring.slack.webhookUrl?"],
  ],
  [
    "a webhook for alerts that are not sent",
    {
      monitoring: {
        slack: { criticalWebhookUrl: "https://hooks.slack.com/TOPSECRET", severities: ["warning"] },
      },
    },
    [
      "monitoring.slack.criticalWebhookUrl: has no effect while monitoring.slack.severities lacks critical (legal severities with critical)",
    ],
  ],
];

suite("one problem", () => {
  for (const [name, changes, lines] of TABLE) {
    test(name, () => {
      const found = problemsOf(changes);
      assert.deepEqual(found, lines);
      assert.equal(found.join("\n").includes("TOPSECRET"), false);
    });
  }
});

test("several problems make one report", () => {
  const { problems } = loadStack({
    seed: { flavour: "m1.large", network: { externalNetworkId: NETWORK, cidr: "nonsense" } },
    cluster: { controlPlane: { flavor: "a", count: 2 }, workers: { flavor: "b" } },
  });
  assert.equal(
    formatProblems("Pulumi.test.yaml", problems),
    `Pulumi.test.yaml: 4 problems in the configuration
  seed.flavor: is required (got nothing; legal text on one line: Flavor of the seed, by name or id: at least 2 vCPU, 8 GB RAM, and 20 GB disk unless rootVolume is enabled)
  seed.network.cidr: is not valid (got "nonsense"; legal an IPv4 network such as 192.168.100.0/24)
  seed.flavour: is not a known key; did you mean seed.flavor?
  cluster.controlPlane.count: must be odd, since etcd needs a majority (got 2; legal 1, 3, 5, 7 or 9)`,
  );
});

test("a secret in a layer is a problem of that layer", () => {
  const layer = {
    name: "layers/site",
    values: { monitoring: { slack: { webhookUrl: "https://hooks.slack.com/T" } } },
  };
  assert.deepEqual(problemsOf({ layers: ["site"] }, { layers: new Map([["site", layer]]) }), [
    "monitoring.slack.webhookUrl: is a secret and must not be in a layer (got [secret]; legal pulumi config set --secret --path 'capi-mgmt:monitoring.slack.webhookUrl') [layers/site]",
  ]);
});

test("a layer's mistakes are told with its name", () => {
  const layer = {
    name: "layers/site",
    values: { cluster: { workers: { conut: 3, count: "x" } }, layers: ["lab"] },
  };
  assert.deepEqual(problemsOf({ layers: ["site"] }, { layers: new Map([["site", layer]]) }), [
    "layers: only a stack may name layers [layers/site]",
    'cluster.workers.count: has the wrong type (got "x"; legal a whole number from 1 to 100) [layers/site]',
    "cluster.workers.conut: is not a known key; did you mean cluster.workers.count? [layers/site]",
  ]);
});

test("an encrypted value is never shown, whatever field it is in", () => {
  const encryptedPaths = new Set(["cluster.workers.flavor", "cluster.workers.count"]);
  const changes = { cluster: { workers: { flavor: "", count: "TOPSECRET" } } };
  assert.deepEqual(problemsOf(changes, { encryptedPaths }), [
    "cluster.workers.flavor: is not valid (got [secret]; legal text on one line)",
    "cluster.workers.count: has the wrong type (got [secret]; legal a whole number from 1 to 100)",
  ]);
  // Not decrypted, it is a placeholder that says nothing about what it stands for.
  assert.deepEqual(problemsOf(changes, { encryptedPaths, encryptedAreOpaque: true }), []);
});

test("nothing is said twice", () => {
  const { problems } = loadSite({ monitoring: { slack: { webhookUrl: "x" } } });
  assert.equal(new Set(problems.map((problem) => problem.path)).size, problems.length);
  assert.equal(FILES.defaults.name, "defaults");
});
