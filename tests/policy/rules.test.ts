import assert from "node:assert/strict";
import { test } from "node:test";
import { formatFinding, judge, type PolicyContext, type PolicyResource, verdict } from "../../policy/rule.ts";
import { rules } from "../../policy/rules.ts";
import { configOf, type Values } from "../support/siteConfig.ts";

const TODAY = "2026-11-23";
function resource(type: string, name: string, inputs: Values = {}, protect = false): PolicyResource {
  return { urn: `urn:pulumi:test::capi-mgmt::${type}::${name}`, type, name, inputs, protect };
}

const sshRule = (inputs: Values) =>
  resource("openstack:networking/secGroupRule:SecGroupRule", "seed-ssh", {
    direction: "ingress",
    protocol: "tcp",
    ...inputs,
  });

const NOTHING = { defaults: new Set<string>(), resources: [], plainSecrets: [] };

function findings(change: Values, context: Partial<PolicyContext> = {}, today = TODAY): string[] {
  const all = { stack: "test", config: configOf(change), ...NOTHING, ...context };
  return judge(rules, all, today).map(formatFinding);
}

void test("a site that follows every rule has no finding", () => {
  const resources = [
    sshRule({ portRangeMin: 22, portRangeMax: 22, remoteIpPrefix: "192.0.2.0/24" }),
    resource("openstack:blockstorage/volume:Volume", "seed-data", {}, true),
    resource("kubernetes:helm.sh/v3:Release", "cert-manager", { version: "v1.21.2" }),
    resource("openstack:networking/floatingIp:FloatingIp", "seed-floating-ip"),
    resource("kubernetes:helm.sh/v3:Release", "cluster-release", {
      chart: "openstack-cluster",
      version: "0.27.0",
      values: { addons: { openstack: { cloudConfig: { global: { "tls-insecure": "false" } } } } },
    }),
  ];
  assert.deepEqual(findings({}, { resources }), []);
});

const broken: [title: string, change: Values, context: Partial<PolicyContext>, expected: RegExp][] = [
  [
    "an SSH rule for everyone",
    {},
    { resources: [sshRule({ portRangeMin: 22, portRangeMax: 22, remoteIpPrefix: "0.0.0.0/0" })] },
    /^mandatory closed-ports: seed-ssh: opens port 22 to everyone: list your networks in/,
  ],
  [
    "a rule without any source",
    {},
    { resources: [sshRule({ portRangeMin: 6443, portRangeMax: 6443 })] },
    /closed-ports: seed-ssh: opens port 6443 to everyone/,
  ],
  [
    "a range that holds a guarded port",
    {},
    { resources: [sshRule({ portRangeMin: 1, portRangeMax: 65535, remoteIpPrefix: "::/0" })] },
    /opens port 22 and 6443 to everyone/,
  ],
  [
    "a rule for all protocols",
    {},
    { resources: [sshRule({ protocol: "", remoteIpPrefix: "0.0.0.0/0" })] },
    /opens port 22 and 6443 to everyone/,
  ],
  [
    "everyone among the allowed networks",
    { seed: { access: { allowedCidrs: { ssh: ["0.0.0.0/0"] } } } },
    {},
    /closed-ports: seed\.access\.allowedCidrs\.ssh: allows everyone/,
  ],
  [
    "a public API without networks",
    { cluster: { apiServer: { allowedCidrs: [], floatingIp: true } } },
    {},
    /closed-ports: cluster\.apiServer\.allowedCidrs: is empty/,
  ],
  [
    "an unprotected data volume",
    {},
    { resources: [resource("openstack:blockstorage/volume:Volume", "seed-data")] },
    /protected-data: seed-data: is not protected: set protect\.dataVolume to true/,
  ],
  [
    "an unprotected cluster",
    { protect: { cluster: false } },
    {},
    /protected-data: protect\.cluster: is false/,
  ],
  [
    "a chart without a version",
    {},
    { resources: [resource("kubernetes:helm.sh/v3:Release", "addon", { version: "latest" })] },
    /pinned-versions: addon: has no exact chart version/,
  ],
  [
    "a binary without a checksum",
    { k3s: { version: "v1.34.9+k3s1", sha256: undefined } },
    {},
    /pinned-versions: k3s\.sha256: is not set, so v1\.34\.9\+k3s1 is held only against the checksum file/,
  ],
  [
    "a provider that verifies nothing",
    {},
    { resources: [resource("pulumi:providers:openstack", "openstack", { insecure: "true" })] },
    /verified-tls: openstack: does not verify TLS/,
  ],
  [
    "an addon that takes any certificate",
    {},
    {
      resources: [
        resource("kubernetes:helm.sh/v3:Release", "cluster-release", {
          chart: "openstack-cluster",
          version: "0.27.0",
          values: { addons: { openstack: { cloudConfig: { Global: { "tls-insecure": "false" } } } } },
        }),
      ],
    },
    /^mandatory verified-tls: cluster-release: lets the cloud controller manager and Cinder's driver take any certificate/,
  ],
  [
    "a mirror without TLS",
    { mirror: { url: "http://mirror.example" } },
    {},
    /verified-tls: mirror\.url: is not https/,
  ],
  [
    "a secret in plain",
    {},
    { plainSecrets: ["monitoring.slack.webhookUrl"] },
    /encrypted-secrets: monitoring\.slack\.webhookUrl: stands in the stack file in plain/,
  ],
  [
    "a datastore in plain",
    { k3s: { secretsEncryption: false } },
    {},
    /encrypted-secrets: k3s\.secretsEncryption: is false/,
  ],
  [
    "one floating IP too many",
    {},
    {
      resources: ["a", "b", "c"].map((name) => resource("openstack:networking/floatingIp:FloatingIp", name)),
    },
    /deliberate-floating-ips: a, b, c: 3 floating IPs where the configuration asks for 2/,
  ],
  [
    "a certificate for Magnum",
    { magnum: { kubeconfig: { kind: "certificate" } } },
    {},
    /revocable-magnum-access: magnum\.kubeconfig\.kind: is certificate/,
  ],
  [
    "a rule that opens the workers' SSH to everyone",
    {
      cluster: {
        network: {
          workerRules: [{ name: "all", protocol: "tcp", portMin: 1, portMax: 100, source: "0.0.0.0/0" }],
        },
      },
    },
    {},
    /closed-ports: cluster\.network\.workerRules: all: opens port 22 of the workers to everyone/,
  ],
  [
    "a value of the program's that is replaced",
    { extraValues: { monitoring: { override: { "grafana.enabled": true } } } },
    {},
    /^mandatory program-values: extraValues\.monitoring\.override\["grafana\.enabled"\]: replaces a value that the program sets/,
  ],
];
for (const [title, change, context, expected] of broken) {
  void test(`${title} is found, with how to comply`, () => {
    const found = findings(change, context);
    assert.equal(found.length, 1, found.join("\n"));
    assert.match(found[0] ?? "", expected);
  });
}

const legal: [title: string, change: Values, context: Partial<PolicyContext>][] = [
  ["an egress rule for everyone", {}, { resources: [sshRule({ direction: "egress" })] }],
  ["another port for everyone", {}, { resources: [sshRule({ portRangeMin: 443, portRangeMax: 443 })] }],
  [
    "a rule for members of a group",
    {},
    { resources: [sshRule({ portRangeMin: 22, portRangeMax: 22, remoteGroupId: "x" })] },
  ],
  ["ICMP for everyone", {}, { resources: [sshRule({ protocol: "icmp" })] }],
  [
    "an unprotected volume of a site that is not production",
    { layers: ["development"], policy: { severity: "mandatory" } },
    { resources: [resource("openstack:blockstorage/volume:Volume", "seed-data")] },
  ],
];
for (const [title, change, context] of legal) {
  void test(`${title} breaks no rule`, () => {
    assert.deepEqual(findings(change, context), []);
  });
}

const certificate = { magnum: { kubeconfig: { kind: "certificate" } } };
const exempt = (expires: string, rule = "revocable-magnum-access") => ({
  ...certificate,
  policy: { exemptions: [{ rule, reason: "driver 1.1.0 reads no token", expires }] },
});

void test("an exemption holds through its last day and is reported with its reason", () => {
  const message = /^exempted revocable-magnum-access: .*\(until 2026-11-23: driver 1\.1\.0 reads no token\)$/;
  assert.match(findings(exempt("2026-11-23"))[0] ?? "", message);
  assert.match(findings(exempt("2026-11-23 00:00:00 +0000 UTC"))[0] ?? "", message);
  const ended = findings(exempt("2026-11-23"), {}, "2026-11-24");
  assert.match(
    ended[0] ?? "",
    /^mandatory revocable-magnum-access: .*\(the exemption ended on 2026-11-23\)$/,
  );
});

void test("an exemption of no rule, or for longer than a year, is a finding of its own", () => {
  assert.match(
    findings(exempt("2027-01-01", "no-such-rule"))[0] ?? "",
    /^mandatory exemption: .*there is no such rule \(legal: closed-ports, /,
  );
  assert.match(findings(exempt("2029-01-01"))[0] ?? "", /^mandatory exemption: .*more than 366 days ahead/);
});

void test("the stack's severity decides what a broken rule does", () => {
  const judged = (severity: string) => {
    const config = configOf({ ...certificate, policy: { severity } });
    return verdict(judge(rules, { stack: "test", config, ...NOTHING }, TODAY));
  };
  assert.deepEqual(["mandatory", "advisory", "disabled"].map(judged), ["fail", "warn", "pass"]);
});

void test("a checksum that did not come with a version of the program's fails nobody; one of the site's own version does", () => {
  const change = {
    k3s: { sha256: undefined },
    cluster: { image: { id: undefined, url: "https://i.example/i" } },
  };
  const shipped = findings(change, { defaults: new Set(["k3s.version", "cluster.image.url"]) });
  assert.deepEqual(
    shipped.map((text) => text.split(":").slice(0, 2).join(":")),
    ["advisory pinned-versions: k3s.sha256", "advisory pinned-versions: cluster.image.checksum"],
  );
  assert.match(shipped[0] ?? "", /bin\/check-releases --pin writes it/);
  assert.equal(findings(change).filter((text) => text.startsWith("mandatory")).length, 2);
});
