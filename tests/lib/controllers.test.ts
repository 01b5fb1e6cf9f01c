/**
 * Cluster API's controllers are brought up stage by stage, with stand-ins for kubectl and curl. Single steps are held
 * in cluster-scripts.test.ts; that the real ones work so is shown in the lab.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { CURL, serve } from "../support/served.ts";
import { runShell, temporaryFolder } from "../support/shell.ts";

const ORC = "https://x.example.org/orc/install.yaml";
const CORE = "https://x.example.org/core/components.yaml";
const CRD = "kind: CustomResourceDefinition\nmetadata:\n  name: widgets.x\n---\n";

interface Given {
  /** SHA-256 of the first manifest. Default: what is served. */
  readonly sum?: string;
  /** What kubectl does, by a part of its arguments; before the default, which is success. */
  readonly kubectl?: Readonly<Record<string, string>>;
}

function install(context: TestContext, { sum, kubectl = {} }: Given = {}) {
  const folder = temporaryFolder(context);
  const served = serve(folder, ORC, `${CRD}kind: Deployment\nargs: [--v=\${LEVEL:=2}]\n`);
  serve(folder, CORE, "kind: Deployment\n");
  writeFileSync(join(folder, "ca.crt"), "");
  const cases = Object.entries(kubectl).map(([part, body]) => `*"${part}"*) ${body} ;;`);
  const run = runShell(folder, {
    files: ["cluster-api"],
    variables: {
      INSTANCE: "management",
      KUBECONFIG_FILE: "/home/ubuntu/kubeconfig-capi-mgmt-x.yaml",
      STAGE_NAMES: ["orc", "core"],
      STAGE_URLS: [ORC, CORE],
      STAGE_SUMS: [(sum ?? served).toUpperCase(), ""],
      STAGE_KUSTOMIZATIONS: ["resources: [manifest.yaml]", "resources: [manifest.yaml]\npatches: []"],
      STAGE_DEPLOYMENTS: ["orc-system/orc", "capi-system/capi capi-kubeadm/bootstrap"],
      READY_SECONDS: 300,
    },
    programs: {
      curl: CURL,
      sleep: "",
      kubectl: `[[ $KUBECONFIG == /home/ubuntu/kubeconfig-capi-mgmt-x.yaml ]] || exit 9
        case "$*" in ${cases.join("\n")} "get crd --output"*) ;; esac`,
    },
    instead: ["/var/lib/capi-mgmt"],
    run: "on_create",
  });
  const stages = join(folder, "var/lib/capi-mgmt/cluster-api/management");
  /** The steps in order, without what changes from run to run. */
  const steps = run.calls.map((call) =>
    call
      .replace(/^curl .* (\S+)$/, "download $1")
      .replace(`${stages}/`, "")
      .replace(/ --timeout \d+s$/, ""),
  );
  return { ...run, stages, steps };
}

const APPLY = "kubectl apply --server-side --force-conflicts --kustomize";

/** Cluster API is there already. */
const DEPLOYED = { "get crd clusters.cluster.x-k8s.io": "echo customresourcedefinition/clusters" };

test("the first time all stages are applied before the first is awaited, in the same order", (context) => {
  const { code, stdout, stderr, steps } = install(context);
  assert.equal(code, 0, stderr);
  assert.equal(stdout, "orc core\n");
  assert.deepEqual(
    steps.filter((step) => /^kubectl (apply|rollout)/.test(step)),
    [
      `${APPLY} orc`,
      `${APPLY} core`,
      "kubectl rollout status deployment/orc --namespace orc-system",
      "kubectl rollout status deployment/capi --namespace capi-system",
      "kubectl rollout status deployment/bootstrap --namespace capi-kubeadm",
    ],
  );
  assert.match(stderr, /^orc is ready\ncore is ready$/m);
});

test("in an upgrade each stage is downloaded, applied, and its Deployments are awaited before the next one starts", (context) => {
  const { code, stdout, stderr, steps, stages } = install(context, { kubectl: DEPLOYED });
  assert.equal(code, 0, stderr);
  assert.equal(stdout, "orc core\n");
  assert.deepEqual(
    steps.filter((step) => !step.startsWith("kubectl get crd")),
    [
      `download ${ORC}`,
      `${APPLY} orc`,
      "kubectl rollout status deployment/orc --namespace orc-system",
      `download ${CORE}`,
      `${APPLY} core`,
      "kubectl rollout status deployment/capi --namespace capi-system",
      "kubectl rollout status deployment/bootstrap --namespace capi-kubeadm",
      "kubectl delete mutatingwebhookconfiguration capo-mutating-webhook-configuration --ignore-not-found",
    ],
  );
  // What was applied stays: drift is found with it.
  assert.equal(
    readFileSync(join(stages, "orc/manifest.yaml"), "utf8"),
    `${CRD}kind: Deployment\nargs: [--v=2]\n`,
  );
  assert.equal(
    readFileSync(join(stages, "core/kustomization.yaml"), "utf8"),
    "resources: [manifest.yaml]\npatches: []\n",
  );
});

test("a Deployment that is not available ends the upgrade: the next stage needs it", (context) => {
  const { code, stdout, stderr, steps } = install(context, {
    kubectl: { ...DEPLOYED, "rollout status deployment/orc": "exit 1" },
  });
  assert.deepEqual([code, stdout], [70, ""]);
  assert.match(stderr, /^error: deployment orc-system\/orc is not available after 300 s/m);
  assert.ok(!steps.includes(`${APPLY} core`), steps.join("\n"));
});

test("a Deployment that is not available the first time ends the installation", (context) => {
  const { code, stdout, stderr } = install(context, {
    kubectl: { "rollout status deployment/capi ": "exit 1" },
  });
  assert.deepEqual([code, stdout], [70, ""]);
  assert.match(stderr, /^error: deployment capi-system\/capi is not available after 300 s/m);
});

/** An object is stored in a version that the release no longer has. */
const DROPPED = {
  "get crd --output jsonpath={range": "echo '  name: widgets.x'",
  "create --dry-run=client": "echo 'CustomResourceDefinition widgets.x v1beta1'",
  "jsonpath={.status.storedVersions": "echo v1alpha1 v1beta1",
  "jsonpath={.spec.versions": "echo v1beta1",
  "get widgets.x --all-namespaces": `echo '{"items": [{"kind": "Widget"}]}'`,
};

test("stored versions that a release drops are rewritten before its CRDs are applied, at each stage's own time", (context) => {
  const { code, stderr, steps } = install(context, {
    kubectl: DROPPED,
  });
  assert.equal(code, 0, stderr);
  const at = (part: string) => steps.findIndex((step) => step.includes(part));
  const order = [at("replace --filename"), at("patch crd widgets.x"), at(`${APPLY} orc`)];
  assert.ok(!order.includes(-1), steps.join("\n"));
  assert.deepEqual(
    order,
    order.toSorted((a, b) => a - b),
  );
});

test("what cannot be rewritten ends the installation with the CRD as it was", (context) => {
  const { code, stderr, steps } = install(context, {
    kubectl: { ...DROPPED, "replace --filename": "exit 1" },
  });
  assert.equal(code, 70);
  assert.match(stderr, /^error: could not rewrite the objects of widgets\.x$/m);
  assert.ok(!steps.some((step) => /patch crd|apply/.test(step)), steps.join("\n"));
});

test("a webhook that answers only a moment later is waited for, one that never does is an error", (context) => {
  const late = install(context, {
    kubectl: { "--kustomize": 'echo x >> "$HOME/tries"; (($(wc -l < "$HOME/tries") > 2)) || exit 1' },
  });
  assert.equal(late.code, 0, late.stderr);
  const never = install(context, { kubectl: { "--kustomize": "exit 1" } });
  assert.equal(never.code, 70);
  assert.match(never.stderr, /^error: could not apply \S+\/orc$/m);
});

test("a manifest that differs from its pinned sum is not applied, nor a page that is none", (context) => {
  const other = install(context, { sum: "0".repeat(64) });
  assert.equal(other.code, 70);
  assert.match(
    other.stderr,
    /^error: https:\/\/x\.example\.org\/orc\/install\.yaml: SHA-256 is \w+, expected 0{64}$/m,
  );
  assert.ok(!other.steps.some((step) => step.startsWith(APPLY)));

  const folder = temporaryFolder(context);
  serve(folder, ORC, "<html>kind: of an error</html>\n");
  const page = runShell(folder, {
    files: ["cluster-api"],
    programs: { curl: CURL },
    run: `get_manifest ${ORC} '' "$FOLDER/manifest.yaml"`,
  });
  assert.equal(page.code, 70);
  assert.match(page.stderr, /^error: https:\S+ is not a Kubernetes manifest$/m);
});
