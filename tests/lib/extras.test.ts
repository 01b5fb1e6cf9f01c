/**
 * Extras: from the configuration to the resources of the whole program under the mocks. Does not prove that a cluster
 * takes them.
 */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { PLACEHOLDER_SECRET } from "../../config/credentials.ts";
import { manifestObjects } from "../../config/manifests.ts";
import { extrasOn } from "../../lib/extras.ts";
import { problemsOf } from "../config/support.ts";
import { configOf, type Values } from "../support/siteConfig.ts";
import { isSecret, type Recording, unwrapped } from "../support/mocks.ts";
import { runSite } from "../support/program.ts";
import { runShell, temporaryFolder } from "../support/shell.ts";

process.env["CAPI_MGMT_OFFLINE"] = "0";
process.env["CAPI_MGMT_SKIP_PREFLIGHT"] = "1";

const MANIFESTS = `
apiVersion: example.org/v1
kind: Widget
metadata: { name: one, namespace: widgets }
spec: { size: 3 }
---
apiVersion: v1
kind: Secret
metadata: { name: key, namespace: widgets }
stringData: { key: TOPSECRET }
---
apiVersion: v1
kind: Namespace
metadata: { name: widgets }
---
`;
const RELEASE = {
  chart: "ingress-nginx",
  version: "4.15.1",
  repository: "https://kubernetes.github.io/ingress-nginx",
  namespace: "ingress",
  values: { controller: { replicaCount: 2 } },
};
const EXTRAS = {
  // By name it would come first.
  "a-widget": { on: "cluster", manifests: MANIFESTS, after: ["ingress"] },
  ingress: { on: "cluster", release: RELEASE },
  "seed-notes": {
    on: "k3s",
    manifests: "{ apiVersion: v1, kind: ConfigMap, metadata: { name: notes }, data: { a: b } }",
  },
  ntp: { on: "seed", commands: { run: "echo ntp", remove: "echo no ntp" } },
  smoke: { on: "cluster", after: ["a-widget"], commands: { run: "kubectl get widgets", timeout: "90s" } },
};

const withExtras = (extras: Values) =>
  runSite("prod", {
    change: (config) => {
      config["capi-mgmt:extras"] = extras;
    },
  });
let ran: Promise<Recording> | undefined;
const site = () => (ran ??= withExtras(EXTRAS));

void test("an object is a resource of its kind on its cluster, a release one of the extra's name, commands are one on the seed", async () => {
  const { resources } = await site();
  const made = resources
    .filter(({ name, type }) => name.startsWith("extras-") && !type.startsWith("capi-mgmt:"))
    .map(({ name, type, provider }) => `${provider} ${type} ${name}`);
  assert.deepEqual(made.toSorted(), [
    " command:remote:Command extras-cluster-smoke",
    " command:remote:Command extras-seed-ntp",
    "k3s kubernetes:core/v1:ConfigMap extras-k3s-seed-notes-configmap-notes",
    "management kubernetes:core/v1:Namespace extras-cluster-a-widget-namespace-widgets",
    "management kubernetes:core/v1:Secret extras-cluster-a-widget-secret-widgets-key",
    "management kubernetes:example.org/v1:Widget extras-cluster-a-widget-widget-widgets-one",
    "management kubernetes:helm.sh/v3:Release extras-cluster-ingress",
  ]);
});

void test("objects and releases are asked for as they are said, a Secret's content as a secret", async () => {
  const recording = await site();
  const widget = recording.get("extras-cluster-a-widget-widget-widgets-one").inputs;
  assert.deepEqual(unwrapped(widget), {
    apiVersion: "example.org/v1",
    kind: "Widget",
    metadata: { name: "one", namespace: "widgets" },
    spec: { size: 3 },
  });
  const secret = recording.get("extras-cluster-a-widget-secret-widgets-key").inputs;
  assert.ok(isSecret(secret["stringData"]) && !isSecret(widget["spec"]));
  const release = unwrapped(recording.get("extras-cluster-ingress").inputs) as Values;
  const { name, chart, version, namespace, values, timeout } = release;
  assert.deepEqual(
    { name, chart, version, namespace, values, timeout },
    {
      ...{ name: "ingress", chart: "ingress-nginx", version: "4.15.1", namespace: "ingress" },
      ...{ values: RELEASE.values, timeout: 600 },
    },
  );
});

/** Names of everything that a resource waits for, through components too. */
function before({ resources }: Recording, name: string): Set<string> {
  const found = new Set<string>();
  const follow = (current: string): void => {
    for (const next of resources
      .filter((one) => one.name === current)
      .flatMap(({ dependsOn }) => dependsOn)) {
      if (found.has(next)) continue;
      found.add(next);
      follow(next);
    }
  };
  follow(name);
  return found;
}

void test("extras come after what the cluster has, what they name, and their own namespace", async () => {
  const recording = await site();
  const widget = before(recording, "extras-cluster-a-widget-widget-widgets-one");
  for (const name of [
    "extras-cluster-ingress",
    "extras-cluster-a-widget-namespace-widgets",
    "management-addon-provider",
    "monitoring-release",
    "cluster-complete",
  ])
    assert.ok(widget.has(name), name);
  const notes = before(recording, "extras-k3s-seed-notes-configmap-notes");
  assert.ok(notes.has("bootstrap-addon-provider"));
  assert.ok(![...notes].some((name) => name.startsWith("cluster")), [...notes].join(" "));
  assert.ok(before(recording, "extras-cluster-smoke").has("extras-cluster-a-widget-widget-widgets-one"));
  for (const name of ["k3s-install", "k3s-tools"])
    assert.ok(before(recording, name).has("extras-seed-ntp"), name);
});

void test("commands are told to the operator, and taken back only by commands of their own", async () => {
  const recording = await site();
  const { stdin, delete: taken, logging } = recording.get("extras-seed-ntp").inputs;
  assert.match(String(stdin), /^EXTRA='ntp'\nRUN_COMMANDS='echo ntp'\nREMOVE_COMMANDS='echo no ntp'$/m);
  assert.match(String(taken), /-- delete$/);
  assert.equal(logging, "stderr");
  const smoke = recording.get("extras-cluster-smoke").inputs;
  assert.equal("delete" in smoke, false);
  const set = (name: string) => new RegExp(`^${name}='(.*)'$`, "m").exec(String(smoke["stdin"]))?.[1];
  assert.deepEqual(["LIMIT_SECONDS", "IS_ON_CLUSTER", "KUBECONFIG_FILE"].map(set), [
    "90",
    "true",
    "seed-access-kubeconfig done",
  ]);
});

/** The script of an extra's commands, by bash. */
function commands(context: TestContext, text: string, action = "on_create", seconds = 10) {
  return runShell(temporaryFolder(context), {
    files: ["extra"],
    variables: {
      ...{ EXTRA: "ntp", RUN_COMMANDS: text, REMOVE_COMMANDS: `echo taken back >> $HOME/done\n${text}` },
      ...{ LIMIT_SECONDS: seconds, IS_ON_CLUSTER: true, KUBECONFIG_FILE: "/home/u/kubeconfig" },
    },
    run: `${action}; cat $HOME/done 2> /dev/null || true`,
  });
}

test("commands see their cluster, are shown, and are the Command's result in no part", (context) => {
  const { code, stdout, stderr } = commands(context, 'echo "on $KUBECONFIG"; echo "it\'s" >&2');
  assert.deepEqual([code, stdout, stderr], [0, "ntp: done\n", "on /home/u/kubeconfig\nit's\n"]);
  assert.equal(commands(context, "true", "on_delete").stdout, "taken back\n");
});

test("commands that fail, or take too long, end the deployment by the extra's name", (context) => {
  const failed = commands(context, "false; echo not reached");
  assert.deepEqual(
    [failed.code, failed.stderr],
    [70, "error: extra ntp: its commands ended with exit code 1\n"],
  );
  const late = commands(context, "sleep 30", "on_create", 1);
  assert.deepEqual(
    [late.code, late.stderr],
    [70, "error: extra ntp: its commands took more than 1 s (setting extras.ntp.commands.timeout)\n"],
  );
});

void test("an extra that is taken out leaves no resource, and the others as they were", async () => {
  const { ingress, "seed-notes": notes } = EXTRAS;
  const { resources } = await withExtras({ ingress, "seed-notes": notes });
  const names = resources.map(({ name }) => name).filter((name) => name.startsWith("extras-"));
  assert.deepEqual(names.toSorted(), [
    "extras-cluster",
    "extras-cluster-ingress",
    "extras-k3s",
    "extras-k3s-seed-notes-configmap-notes",
  ]);
});

test("what is encrypted in the stack file is marked, and offline not read", () => {
  const encrypted = new Set(["extras.a-widget.manifests", "extras.ingress.release.values.controller"]);
  const list = extrasOn("cluster", configOf({ extras: EXTRAS }), encrypted);
  const [ingress, widget, smoke] = list;
  assert.deepEqual([ingress?.name, widget?.name, smoke?.name], ["ingress", "a-widget", "smoke"]);
  assert.equal(widget?.isSecret, true);
  assert.equal(ingress?.release?.values.isSecret(["controller", "replicaCount"]), true);
  assert.equal(ingress?.release?.values.isSecret(["other"]), false);
  const secret = extrasOn("seed", configOf({ extras: EXTRAS }), new Set(["extras.ntp.commands.run"]));
  assert.deepEqual([secret[0]?.isSecret, smoke?.isSecret], [true, false]);
  const offline = { extras: { x: { on: "cluster", manifests: PLACEHOLDER_SECRET } } };
  assert.deepEqual(extrasOn("cluster", configOf(offline), new Set())[0]?.objects, []);
});

test("a text that is wrong is told by the document's number, never by its content", () => {
  const cases: [string, string[]][] = [
    ["", ["has no object"]],
    ["a: [", ["document 1 is not YAML"]],
    ["just text", ["document 1 lacks apiVersion"]],
    ["apiVersion: v1", ["document 1 lacks kind"]],
    ["{apiVersion: v1, kind: Secret, metadata: {generateName: SECRET-}}", ["document 1 lacks metadata.name"]],
    [
      "{apiVersion: v1, kind: SecretList, metadata: {name: a}}",
      ["document 1 is a list: one document an object"],
    ],
    [`${MANIFESTS}${MANIFESTS}`, [4, 5, 6].map((n) => `document ${n} is the second `)],
  ];
  for (const [text, expected] of cases) {
    const { problems } = manifestObjects(text);
    assert.equal(problems.length, expected.length, problems.join("; "));
    problems.forEach((problem, index) => {
      assert.ok(problem.startsWith(expected[index] ?? "?"), problem);
      assert.ok(!problem.includes("SECRET"));
    });
  }
});

const REFUSED: readonly [what: string, change: Values, expected: string[]][] = [
  [
    "an extra of nothing",
    { extras: { a: { on: "k3s" } } },
    ["extras.a: says nothing to add (got nothing; legal one of manifests, release, commands)"],
  ],
  [
    "an extra of two things",
    { extras: { a: { on: "k3s", manifests: MANIFESTS, release: RELEASE } } },
    [
      "extras.a: sets options that exclude each other (got manifests, release; legal one of manifests, release, commands)",
    ],
  ],
  [
    "a place that is none",
    { extras: { a: { on: "magnum", manifests: MANIFESTS } } },
    ['extras.a.on: is not valid (got "magnum"; legal cluster, k3s, seed)'],
  ],
  [
    "an object where there is no cluster",
    { extras: { a: { on: "seed", manifests: MANIFESTS } } },
    ['extras.a.on: has no cluster yet (got "seed"; legal k3s, or commands)'],
  ],
  [
    "the HA cluster of a site of one machine",
    { cluster: { enabled: false }, monitoring: { enabled: false }, extras: { a: EXTRAS.ingress } },
    [
      'extras.a.on: needs the HA cluster, which cluster.enabled leaves out (got "cluster"; legal k3s, or cluster.enabled true)',
    ],
  ],
  [
    "an order with another cluster's, and with a circle",
    {
      extras: {
        a: { ...EXTRAS.ingress, after: ["seed-notes", "b"] },
        b: { ...EXTRAS.ingress, after: ["a"] },
        "seed-notes": EXTRAS["seed-notes"],
      },
    },
    [
      'extras.a.after[0]: is not an extra in the same place (got "seed-notes"; legal b)',
      "extras.a.after: comes after itself by the others' after (got seed-notes, b; legal an order without a circle)",
      "extras.b.after: comes after itself by the others' after (got a; legal an order without a circle)",
    ],
  ],
  [
    "a text that is no object",
    { extras: { a: { on: "k3s", manifests: "hello" } } },
    [
      "extras.a.manifests: document 1 lacks apiVersion (legal YAML documents with apiVersion, kind and metadata.name, each object once)",
    ],
  ],
  [
    "a release without version",
    { extras: { a: { on: "k3s", release: { ...RELEASE, version: "v4" } } } },
    ['extras.a.release.version: is not valid (got "v4"; legal a version such as 1.2.3)'],
  ],
];

for (const [what, change, expected] of REFUSED) {
  test(`${what} is refused by its key`, () => assert.deepEqual(problemsOf(change), expected));
}
