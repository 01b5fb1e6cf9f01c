/**
 * The scripts around Cluster API with a stand-in for kubectl. That kubectl's answers look like this was seen with a
 * real API server; that Cluster API behaves so is shown in the lab.
 */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { runShell, type ShellRun, temporaryFolder } from "../support/shell.ts";

const READY = {
  CLUSTER: "capi-mgmt-x",
  NAMESPACE: "default",
  READY_SECONDS: 30,
  CERTIFICATES_EXPIRY_DAYS: "",
};

const conditions = (changes: Readonly<Record<string, string>> = {}) =>
  Object.entries({
    Available: "True",
    RollingOut: "False",
    ScalingUp: "False",
    ControlPlaneMachinesReady: "True",
    ControlPlaneMachinesUpToDate: "True",
    ControlPlaneAvailable: "True",
    WorkerMachinesUpToDate: "True",
    WorkersAvailable: "True",
    ...changes,
  }).map(([type, status]) => `condition\t${type}\t${status}\t\t`);

interface Snapshot {
  readonly cluster?: readonly string[];
  /** generation, observedGeneration */
  readonly controlPlane?: readonly [number, number];
  readonly machines?: string;
  readonly addon?: string;
}

function snapshot({
  cluster = conditions(),
  controlPlane = [2, 2],
  machines = "Running",
  addon = "Deployed",
}: Snapshot): string {
  return [
    "object\tCluster\tcapi-mgmt-x\t2\t2\tProvisioned",
    ...cluster,
    `object\tKubeadmControlPlane\tcapi-mgmt-x-control-plane\t${controlPlane.join("\t")}\t`,
    "condition\tAvailable\tFalse\tNotThisOne\tof another object",
    `object\tMachineDeployment\tcapi-mgmt-x-md-0\t1\t1\t${machines}`,
    `object\tHelmRelease\tcapi-mgmt-x-cni-calico\t1\t\t${addon}`,
  ].join("\n");
}

function unmet(context: TestContext, text: string, wanted = "cluster_complete"): string[] {
  const folder = temporaryFolder(context);
  writeFileSync(join(folder, "snapshot"), text);
  const run = runShell(folder, {
    files: ["cluster-ready"],
    variables: READY,
    run: `unmet "$${wanted}" < "$FOLDER/snapshot"`,
  });
  assert.equal(run.code, 0, run.stderr);
  return run.stdout.split("\n").filter((line) => line !== "");
}

const table: [string, string, string[]][] = [
  ["everything as it should be", snapshot({}), []],
  [
    "a condition that is False",
    snapshot({ cluster: conditions({ WorkersAvailable: "False" }) }),
    ["WorkersAvailable is False, not True"],
  ],
  [
    "a rollout that goes on",
    snapshot({ cluster: conditions({ RollingOut: "True" }) }),
    ["RollingOut is True, not False"],
  ],
  [
    "machines that are still to come: Available is True with one of three control plane machines",
    snapshot({ cluster: conditions({ ScalingUp: "True" }) }),
    ["ScalingUp is True, not False"],
  ],
  [
    "a control plane machine that is made and has not joined",
    snapshot({ cluster: conditions({ ControlPlaneMachinesReady: "False" }) }),
    ["ControlPlaneMachinesReady is False, not True"],
  ],
  [
    "a condition that nobody has set",
    snapshot({ cluster: conditions().filter((line) => !line.includes("ControlPlaneAvailable")) }),
    ["ControlPlaneAvailable is not reported, not True"],
  ],
  [
    "a reason in several lines",
    snapshot({
      cluster: [
        ...conditions().slice(1),
        "condition\tAvailable\tFalse\tNotAvailable\t* Control plane: 1 of 3",
        "* Workers: none",
      ],
    }),
    ["Available is False, not True (NotAvailable): * Control plane: 1 of 3 * Workers: none"],
  ],
  [
    "a change that the controller has not seen, with old conditions that look fine",
    snapshot({ controlPlane: [3, 2] }),
    ["KubeadmControlPlane capi-mgmt-x-control-plane has not been looked at since its last change"],
  ],
  [
    "machines on their way",
    snapshot({ machines: "ScalingUp" }),
    ["MachineDeployment capi-mgmt-x-md-0 is ScalingUp, not Running"],
  ],
  [
    "one worker group of several, or one that is on its way out",
    `${snapshot({})}\nobject\tMachineDeployment\tcapi-mgmt-x-gpu\t1\t1\tScalingDown`,
    ["MachineDeployment capi-mgmt-x-gpu is ScalingDown, not Running"],
  ],
  [
    "an addon that has not started",
    snapshot({ addon: "" }),
    ["addon capi-mgmt-x-cni-calico is not started, not Deployed"],
  ],
  ["nothing at all", "", ["Cluster capi-mgmt-x does not exist", "no MachineDeployment exists"]],
];
for (const [what, text, expected] of table) {
  test(`readiness: ${what}`, (context) => {
    assert.deepEqual(unmet(context, text), expected);
  });
}

test("a cluster serves with one control plane machine of three, and not without workers or addons", (context) => {
  const growing = {
    ...{ Available: "False", ScalingUp: "True", ControlPlaneMachinesReady: "False" },
    ...{ ControlPlaneMachinesUpToDate: "Unknown", RollingOut: "Unknown" },
  };
  const serves = (text: Snapshot) => unmet(context, snapshot(text), "cluster_serves");
  assert.deepEqual(serves({ cluster: conditions(growing) }), []);
  assert.deepEqual(serves({ cluster: conditions({ ...growing, ControlPlaneAvailable: "False" }) }), [
    "ControlPlaneAvailable is False, not True",
  ]);
  assert.deepEqual(serves({ cluster: conditions({ ...growing, WorkersAvailable: "False" }) }), [
    "WorkersAvailable is False, not True",
  ]);
  assert.deepEqual(serves({ cluster: conditions(growing), addon: "Deploying" }), [
    "addon capi-mgmt-x-cni-calico is Deploying, not Deployed",
  ]);
});

function kubectl(cases: Readonly<Record<string, string>>): Record<string, string> {
  const branches = Object.entries(cases).map(([pattern, body]) => `*"${pattern}"*) ${body} ;;`);
  return {
    kubectl: `case "$*" in ${branches.join("\n")} *) echo "unexpected: $*" >&2; exit 9 ;; esac`,
    sleep: "",
  };
}

test("the wait ends when everything has been seen twice, and says what it waits for", (context) => {
  const folder = temporaryFolder(context);
  writeFileSync(join(folder, "1"), snapshot({ machines: "ScalingUp" }));
  writeFileSync(join(folder, "2"), snapshot({}));
  const run = runShell(folder, {
    files: ["cluster-ready"],
    variables: READY,
    programs: kubectl({
      "--selector capi.stackhpc.com/cluster=capi-mgmt-x":
        'echo x >> "$HOME/polls"; if (($(wc -l < "$HOME/polls") < 3)); then cat "$HOME/1"; else cat "$HOME/2"; fi',
      "jsonpath={.metadata.uid}": "printf the-uid",
    }),
    run: 'on_create; wc -l < "$FOLDER/polls"',
  });
  assert.equal(run.stdout, "the-uid4\n");
  // Addons too: without them the cluster has no network, volumes or load balancers.
  for (const kind of ["clusters", "kubeadmcontrolplanes", "machinedeployments", "helmreleases", "manifests"])
    assert.match(run.calls[0] ?? "", new RegExp(`^kubectl get \\S*\\b${kind}\\.`));
  assert.equal(
    run.stderr,
    "waiting for cluster capi-mgmt-x: MachineDeployment capi-mgmt-x-md-0 is ScalingUp, not Running\ncluster capi-mgmt-x is ready\n",
  );
});

for (const [action, ready, complete] of [
  ["on_create", 0, 70],
  ["on_update", 70, 70],
] as const) {
  test(`${action}: a control plane that grows is ${ready === 0 ? "ready" : "waited for"}, and not complete`, (context) => {
    const folder = temporaryFolder(context);
    writeFileSync(join(folder, "1"), snapshot({ cluster: conditions({ ScalingUp: "True" }) }));
    for (const [file, code] of [
      ["cluster-ready", ready],
      ["cluster-complete", complete],
    ] as const) {
      const run = runShell(folder, {
        files: [file],
        variables: { ...READY, READY_SECONDS: 0 },
        programs: kubectl({
          "--selector capi.stackhpc.com/cluster=capi-mgmt-x": 'cat "$HOME/1"',
          "jsonpath={.metadata.uid}": "printf the-uid",
          "--selector cluster.x-k8s.io": "",
          "openstackmachines.infrastructure": "",
          "get events": "",
        }),
        run: action,
      });
      assert.equal(run.code, code, `${file}: ${run.stderr}`);
      if (code !== 0) assert.match(run.stderr, /ScalingUp is True, not False/);
    }
  });
}

test("k3s that does not answer is not a cluster that is ready", (context) => {
  const run = runShell(temporaryFolder(context), {
    files: ["cluster-ready"],
    variables: { ...READY, READY_SECONDS: 0 },
    programs: kubectl({
      "--selector capi.stackhpc.com/cluster=capi-mgmt-x": "echo connection refused >&2; exit 1",
      "--selector cluster.x-k8s.io": "",
      "get events": "",
    }),
    run: "on_create",
  });
  assert.deepEqual([run.code, run.stdout], [70, ""]);
  assert.match(run.stderr, /^waiting for cluster capi-mgmt-x: k3s does not answer: connection refused$/m);
});

test("a wait that runs out shows what is unmet, the machines' own words and the last events", (context) => {
  const folder = temporaryFolder(context);
  writeFileSync(
    join(folder, "1"),
    snapshot({ cluster: conditions({ WorkersAvailable: "False", Available: "False" }) }),
  );
  const run = runShell(folder, {
    files: ["cluster-ready"],
    variables: { ...READY, READY_SECONDS: 0 },
    programs: kubectl({
      "--selector capi.stackhpc.com/cluster=capi-mgmt-x": 'cat "$HOME/1"',
      "openstackmachines.infrastructure":
        'printf "OpenStackMachine m-0:\\n  InstanceReady InstanceCreateFailed: Quota exceeded for cores\\n"',
      "get events":
        'case "$*" in *" involvedObject.kind!=Node "*) echo 12:00 Machine m-0 Failed quota ;; esac',
      "--selector cluster.x-k8s.io": "",
    }),
    run: "on_create",
  });
  assert.equal(run.code, 70);
  assert.match(run.stderr, /^WorkersAvailable is False, not True$/m);
  assert.match(run.stderr, /InstanceCreateFailed: Quota exceeded for cores/);
  assert.match(run.stderr, /last events in default:\n12:00 Machine m-0 Failed quota/);
  assert.match(
    run.stderr,
    /error: cluster capi-mgmt-x is not ready after 0 s \(setting cluster\.timeouts\.ready\)\n$/,
  );
});

test("when the control plane is rolled is set before the wait, so that a roll is waited for", (context) => {
  const folder = temporaryFolder(context);
  writeFileSync(join(folder, "1"), snapshot({}));
  const run = runShell(folder, {
    files: ["cluster-ready"],
    variables: { ...READY, CERTIFICATES_EXPIRY_DAYS: 60 },
    programs: kubectl({
      "patch kubeadmcontrolplanes.v1beta2.controlplane.cluster.x-k8s.io capi-mgmt-x-control-plane": "",
      "--selector capi.stackhpc.com/cluster=capi-mgmt-x": 'cat "$HOME/1"',
      "jsonpath={.metadata.uid}": "printf the-uid",
    }),
    run: "on_create",
  });
  assert.equal(run.code, 0, run.stderr);
  assert.match(
    run.calls[0] ?? "",
    /--type merge --patch \{"spec":\{"rollout":\{"before":\{"certificatesExpiryDays":60\}\}\}\}$/,
  );
});

const TEARDOWN = { CLUSTER: "capi-mgmt-x", NAMESPACE: "default", DELETE_SECONDS: 30 };

function teardown(context: TestContext, cases: Readonly<Record<string, string>>, seconds = 30): ShellRun {
  return runShell(temporaryFolder(context), {
    files: ["cluster-teardown"],
    variables: { ...TEARDOWN, DELETE_SECONDS: seconds },
    programs: kubectl(cases),
    run: "on_delete",
  });
}

test("the teardown deletes the Cluster, waits until it is gone, and clears the templates that nothing owns", (context) => {
  const run = teardown(context, {
    "get crd": "",
    "delete clusters.cluster.x-k8s.io capi-mgmt-x --namespace default --wait=false": "",
    "get clusters.cluster.x-k8s.io":
      'echo x >> "$HOME/polls"; (($(wc -l < "$HOME/polls") > 3)) || echo cluster/capi-mgmt-x',
    "get machines": "echo machine/m-0",
    "delete openstackmachinetemplates": "",
  });
  assert.equal(run.code, 0, run.stderr);
  assert.match(
    run.stderr,
    /waiting for cluster capi-mgmt-x to go: machines left: 1\ncluster capi-mgmt-x is gone\n$/,
  );
  assert.ok(
    run.calls.includes(
      "kubectl delete clusters.cluster.x-k8s.io capi-mgmt-x --namespace default --wait=false",
    ),
  );
  // This cluster's templates only.
  assert.match(
    run.calls.at(-1) ?? "",
    /^kubectl delete openstackmachinetemplates\S* --namespace default --selector capi\.stackhpc\.com\/cluster=capi-mgmt-x /,
  );
});

test("a cluster that cannot be seen counts as there", (context) => {
  const run = teardown(
    context,
    {
      "get crd": "",
      "delete clusters": "",
      "get clusters.cluster.x-k8s.io": "exit 1",
      "get machines": "exit 1",
      "--selector cluster.x-k8s.io": "exit 1",
      "get events": "exit 1",
    },
    0,
  );
  assert.equal(run.code, 70);
  assert.match(run.stderr, /is not gone after 0 s .*its credentials are kept/);
});

test("k3s that does not answer is an error, k3s without Cluster API has nothing to delete", (context) => {
  const away = teardown(context, { "get crd": "exit 1", "get --raw /readyz": "exit 1" });
  assert.equal(away.code, 70);
  assert.match(away.stderr, /error: k3s does not answer: cluster capi-mgmt-x cannot be deleted/);
  const empty = teardown(context, { "get crd": "exit 1", "get --raw /readyz": "echo ok" });
  assert.equal(empty.code, 0, empty.stderr);
});

const STAGES = {
  INSTANCE: "management",
  STAGE_NAMES: ["orc"],
  STAGE_URLS: ["https://x/install.yaml"],
  STAGE_SUMS: [""],
  STAGE_KUSTOMIZATIONS: ["resources: [manifest.yaml]"],
  STAGE_DEPLOYMENTS: ["orc-system/orc-controller-manager"],
  READY_SECONDS: 5,
};
const CLUSTER_API = ["cluster-api"];

test("a cluster that still manages clusters is not taken down", (context) => {
  const run = (answer: string) =>
    runShell(temporaryFolder(context), {
      files: CLUSTER_API,
      variables: STAGES,
      programs: kubectl({ "get crd": "", "get clusters.cluster.x-k8s.io": answer }),
      run: "on_delete",
    });
  // Wherever they are: each of Magnum's projects has a namespace of its own.
  const busy = run('[[ "$*" != *" --all-namespaces "* ]] || echo " magnum-1/a magnum-2/b"');
  assert.equal(busy.code, 70);
  assert.equal(
    busy.stderr,
    "error: this cluster still manages magnum-1/a magnum-2/b: delete these clusters first\n",
  );
  assert.equal(run("").code, 0);
});

test("a cluster of which nobody knows whether it manages clusters is not taken down, one without Cluster API is", (context) => {
  const run = (cases: Readonly<Record<string, string>>) =>
    runShell(temporaryFolder(context), {
      files: CLUSTER_API,
      variables: STAGES,
      programs: kubectl(cases),
      run: "on_delete",
    });
  const away = run({ "get crd": "exit 1", "get --raw /readyz": "exit 1" });
  assert.equal(away.code, 70);
  assert.match(
    away.stderr,
    /error: the cluster does not answer, so nobody knows whether it manages clusters\n$/,
  );
  assert.equal(run({ "get crd": "exit 1", "get --raw /readyz": "echo ok" }).code, 0);
  assert.notEqual(run({ "get crd": "", "get clusters.cluster.x-k8s.io": "exit 1" }).code, 0);
});

test("placeholders become their defaults, and only those", (context) => {
  const run = runShell(temporaryFolder(context), {
    files: CLUSTER_API,
    variables: STAGES,
    run: `resolve_placeholders << 'END'
- --feature-gates=MachinePool=\${EXP_MACHINE_POOL:=true},ClusterTopology=\${CLUSTER_TOPOLOGY:=false}
- --diagnostics-address=\${CAPI_DIAGNOSTICS_ADDRESS:=:8443}
- --v=\${LEVEL:-2} $(POD_NAME) \${NOT_SET} {{ .x }}
END`,
  });
  assert.equal(
    run.stdout,
    "- --feature-gates=MachinePool=true,ClusterTopology=false\n- --diagnostics-address=:8443\n- --v=2 $(POD_NAME) ${NOT_SET} {{ .x }}\n",
  );
});

test("a Deployment that does not come up is shown with its conditions, pods and events", (context) => {
  const run = runShell(temporaryFolder(context), {
    files: CLUSTER_API,
    variables: STAGES,
    programs: kubectl({
      "rollout status": "exit 1",
      "get deployment": 'echo "  Available=False MinimumReplicasUnavailable: none"',
      "get pods": "echo orc-0 ImagePullBackOff >&2",
      "get events": "echo pull failed",
    }),
    run: 'await_deployments "$(deadline 5)" orc-system/orc-controller-manager',
  });
  assert.equal(run.code, 70);
  assert.match(
    run.stderr,
    /Available=False MinimumReplicasUnavailable: none\norc-0 ImagePullBackOff\nlast events in orc-system:\npull failed\nerror: deployment orc-system\/orc-controller-manager is not available after 5 s/,
  );
});

interface Crd {
  readonly stored: string;
  readonly storage: string;
  readonly manifest: string;
}

function migrate(context: TestContext, crd: Crd, objects = '{"items": [{"kind": "Widget"}]}'): ShellRun {
  const folder = temporaryFolder(context);
  mkdirSync(join(folder, "m"));
  writeFileSync(
    join(folder, "m/manifest.yaml"),
    "kind: CustomResourceDefinition\nmetadata:\n  name: widgets.x\n",
  );
  return runShell(folder, {
    files: CLUSTER_API,
    variables: STAGES,
    programs: kubectl({
      "get crd --output jsonpath={range": `printf '  name: %s\n' other.x ${crd.stored === "" ? "" : "widgets.x"}`,
      "create --dry-run=client": `printf 'Namespace orc-system \\nCustomResourceDefinition widgets.x ${crd.manifest}\\n'`,
      "jsonpath={.status.storedVersions[*]}": `echo '${crd.stored}'`,
      "jsonpath={.spec.versions": `echo '${crd.storage}'`,
      "get widgets.x --all-namespaces": `echo '${objects}'`,
      "replace --filename": "",
      "patch crd": "",
    }),
    run: 'migrate_stored_versions "$FOLDER/m/manifest.yaml"',
  });
}

test("a stored version that the release drops is rewritten before the CRD is applied", (context) => {
  const run = migrate(context, {
    stored: "v1alpha7 v1beta1",
    storage: "v1beta1",
    manifest: "v1beta1 v1beta2",
  });
  assert.equal(run.code, 0, run.stderr);
  assert.match(run.stderr, /^rewriting the objects of widgets\.x, which may be stored in v1alpha7$/m);
  assert.ok(run.calls.some((call) => call.startsWith("kubectl replace --filename")));
  assert.equal(
    run.calls.at(-1),
    'kubectl patch crd widgets.x --subresource=status --type=merge --patch {"status":{"storedVersions":["v1beta1"]}}',
  );
});

test("no objects means no rewriting, but the version is still struck off", (context) => {
  const run = migrate(
    context,
    { stored: "v1alpha6 v1beta1", storage: "v1beta1", manifest: "v1beta1" },
    '{\n    "items": [],\n    "kind": "List"\n}',
  );
  assert.equal(run.code, 0, run.stderr);
  assert.ok(!run.calls.some((call) => call.startsWith("kubectl replace")));
  assert.match(run.calls.at(-1) ?? "", /patch crd widgets\.x/);
});

test("nothing is touched where every stored version stays, or the CRD is new", (context) => {
  for (const stored of ["v1beta1", ""]) {
    const run = migrate(context, { stored, storage: "v1beta1", manifest: "v1beta1" });
    assert.equal(run.code, 0, run.stderr);
    assert.ok(!run.calls.some((call) => /replace|patch/.test(call)));
  }
});

test("a release that cannot read what is stored now is refused", (context) => {
  const run = migrate(context, { stored: "v1alpha7", storage: "v1alpha7", manifest: "v1beta1" });
  assert.equal(run.code, 70);
  assert.match(
    run.stderr,
    /error: widgets\.x is stored in v1alpha7, which this release no longer has: upgrade to a release that has both/,
  );
  assert.ok(!run.calls.some((call) => /replace|patch/.test(call)));
});

/**
 * kubectl as access-verified.sh calls it: k3s has the cluster's kubeconfig, the cluster the token's secret; `can-i` is answered
 * only to a kubeconfig that has the token where one is expected, and the cluster's own otherwise.
 */
function kubectlOf(folder: string, tokenSecret: string, canI: string): string {
  return `
case "$*" in
  "get secret capi-mgmt-x-kubeconfig"*) base64 <<< "own kubeconfig" ;;
  *"config view"*) grep -q "own kubeconfig" "$2" && printf https://192.0.2.1:6443 ;;
  *"get secret ${tokenSecret} --namespace capi-mgmt "*)
    [[ -e ${folder}/no-token ]] && { echo 'Error from server (NotFound): secrets "${tokenSecret}" not found' >&2; exit 1; }
    echo "server 192.0.2.1 token s3cret" ;;
  *can-i*)
    grep -q "${tokenSecret === "" ? "own kubeconfig" : "s3cret"}" "$2" || exit 9
    ${canI} ;;
  *) exit 8 ;;
esac`;
}

const TOKEN_SECRET = "capi-mgmt-service-account-1";
const accessVariables = (tokenSecret: string, seconds: number) => ({
  ...{ CLUSTER: "capi-mgmt-x", NAMESPACE: "capi-mgmt", WORK_SECONDS: seconds },
  ...{ TOKEN_NAMESPACE: "capi-mgmt", TOKEN_SECRET: tokenSecret },
});

/** The answer of `kubectl auth can-i`, the exit code with it, and what the operator is told. */
const ACCESS: [string, string, number, RegExp][] = [
  ["an account that may do everything", "yes", 0, /^$/],
  [
    "a token that is not accepted",
    "error: You must be logged in to the server (Unauthorized)",
    1,
    /refuses the kubeconfig made for Magnum; no older token was revoked$/,
  ],
  [
    "rights that someone took away",
    "Warning: not namespace scoped\nno",
    1,
    /may not do everything on cluster capi-mgmt-x: its ClusterRoleBinding capi-mgmt/,
  ],
  [
    "another authority",
    "tls: failed to verify certificate: x509: certificate signed by unknown authority",
    1,
    /a certificate that does not fit the kubeconfig made for Magnum/,
  ],
  [
    "an API that cannot be reached",
    "E1123 retrying\nUnable to connect to the server: dial tcp 192.0.2.1:6443: i/o timeout",
    1,
    /the seed does not reach the API of cluster capi-mgmt-x: Unable to connect .*i\/o timeout; see cluster\.apiServer\.allowedCidrs/,
  ],
];
for (const tokenSecret of [TOKEN_SECRET, ""]) {
  for (const [what, answer, code, told] of ACCESS) {
    const form = tokenSecret === "" ? "certificate" : "token";
    test(`Magnum's access is tried from the seed with a ${form}: ${what}`, (t) => {
      const folder = temporaryFolder(t);
      writeFileSync(join(folder, "answer"), answer);
      const run = runShell(folder, {
        files: ["access-verified"],
        variables: accessVariables(tokenSecret, 0),
        programs: { kubectl: kubectlOf(folder, tokenSecret, `cat ${folder}/answer >&2; exit ${code}`) },
        run: "on_create",
      });
      assert.equal(run.code === 0, code === 0, run.stderr);
      assert.equal(run.stdout, code === 0 ? "works\n" : "");
      // Everything everywhere: less would be found out when Magnum's first cluster is made.
      assert.match(run.calls.at(-1) ?? "", / auth can-i \* \* --all-namespaces /);
      // By the cluster's own authority, as Magnum does.
      assert.equal(
        run.calls.some((call) => call.includes("certificate-authority-data")),
        tokenSecret !== "",
      );
      assert.doesNotMatch(run.calls.join("\n"), /insecure/);
      assert.match(run.stderr.trim(), told);
      assert.doesNotMatch(run.stderr + run.calls.join(), /s3cret/);
    });
  }
}

test("Magnum's access is tried again until the time is over, with a new account that the API does not know yet", (t) => {
  const folder = temporaryFolder(t);
  const canI = `[[ -e ${folder}/asked ]] && exit 0; touch ${folder}/asked; echo Unauthorized >&2; exit 1`;
  const run = runShell(folder, {
    files: ["access-verified"],
    variables: accessVariables(TOKEN_SECRET, 30),
    programs: { kubectl: kubectlOf(folder, TOKEN_SECRET, canI), sleep: "exit 0" },
    run: "on_create",
  });
  assert.deepEqual([run.code, run.stdout], [0, "works\n"], run.stderr);
  assert.equal(run.calls.filter((call) => call.includes("can-i")).length, 2);
});

test("Magnum's access is refused where the token's secret is gone, and no kubeconfig stays in memory or on disk", (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "no-token"), "");
  mkdirSync(join(folder, "dev/shm"), { recursive: true });
  const run = runShell(folder, {
    files: ["access-verified"],
    variables: accessVariables(TOKEN_SECRET, 0),
    programs: {
      kubectl: kubectlOf(folder, TOKEN_SECRET, "exit 7"),
      mktemp: 'exec /bin/mktemp "$@"',
    },
    instead: ["/dev/shm"],
    run: "on_create",
  });
  assert.ok(run.calls[0]?.startsWith(`mktemp --directory ${folder}/dev/shm/`), run.calls[0]);
  assert.match(run.stderr, /has no token in secret capi-mgmt\/capi-mgmt-service-account-1/);
  assert.deepEqual(readdirSync(join(folder, "dev/shm")), []);
});
