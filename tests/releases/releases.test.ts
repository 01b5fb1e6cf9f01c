/**
 * bin/check-releases against manifests and against a server with upstream's layout, and the job that proposes what it
 * finds. Does not prove that upstream still publishes there.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { readLayers } from "../../config/layers.ts";
import { EXIT } from "../../lib/command-error.ts";
import { proposeDefaults } from "../../releases/proposal.ts";
import { compareReleases } from "../../releases/releases.ts";
import { kubernetesImages } from "../../releases/imageManifest.ts";
import { manifestOfChart, newestChart, newestReleases } from "../../releases/upstream.ts";
import { startGitLabReceiver } from "../support/gitlabReceiver.ts";
import { folder, runCommand } from "../kayobe/support.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const MANIFEST = join(import.meta.dirname, "fixtures", "manifest.json");
const INPUT = { ...readLayers(), stack: { name: "no stack", values: {} } };

function dependencies(context: TestContext, content: object): string {
  const file = join(folder(context), "dependencies.json");
  writeFileSync(file, JSON.stringify(content));
  return file;
}

test("each release is judged by the version table", () => {
  const pin = {
    clusterApi: {
      core: { version: "v1.13.3" },
      openstack: { version: "v0.14.6" },
      orc: { version: "v2.6.0" },
    },
  };
  const found = compareReleases(
    {
      "cluster-api": "v1.15.0",
      "cluster-api-provider-openstack": "v0.14.9",
      "openstack-resource-controller": "v2.6.0",
      "addon-provider": "v0.12.1",
      sonobuoy: "v9",
    },
    { ...INPUT, stack: { name: "test", values: pin } },
  );
  assert.deepEqual(
    found.map(({ component, ours, upstream, verdict }) => [component, ours, upstream, verdict]),
    [
      ["cluster-api", "v1.13.3", "v1.15.0", "refused"],
      ["cluster-api-provider-openstack", "v0.14.6", "v0.14.9", "newer"],
      ["openstack-resource-controller", "v2.6.0", "v2.6.0", "current"],
      ["addon-provider", "0.13.1", "0.12.1", "ahead"],
    ],
  );
  assert.match(found[0]?.problems.join() ?? "", /clusterApi\.core\.version is not a supported release/);
});

test("releases that need each other go in together", () => {
  const pin = {
    clusterApi: {
      core: { version: "v1.12.9" },
      janitor: { enabled: false },
      openstack: { version: "v0.13.2" },
    },
  };
  const found = compareReleases(
    { "cluster-api": "v1.14.1", "cluster-api-provider-openstack": "v0.14.7" },
    { ...INPUT, stack: { name: "test", values: pin } },
  );
  assert.deepEqual(
    found.map(({ verdict }) => verdict),
    ["newer", "newer"],
  );
});

test("exit codes: 0 nothing newer, 2 something to take, 3 nothing that may be taken, 1 and 64 for what is wrong", async (t) => {
  const of = (content: object) => runCommand("check-releases", ["--manifest", dependencies(t, content)]);
  const [none, some, refused, broken, wrong] = await Promise.all([
    of({ "cluster-api": "v1.13.3" }),
    of({ "cluster-api": "v1.14.5", "cluster-api-provider-openstack": "v0.15.0" }),
    of({ "cluster-api-provider-openstack": "v0.15.0" }),
    runCommand("check-releases", ["--manifest", "/no/such/file"]),
    runCommand("check-releases", ["a", "b"]),
  ]);
  assert.deepEqual(
    [none.code, some.code, refused.code, broken.code, wrong.code],
    [EXIT.ok, EXIT.no, EXIT.refused, EXIT.failed, EXIT.usage],
  );
  assert.match(some.stdout, /^cluster-api +v1\.14\.0 +v1\.14\.5 +newer$/m);
  assert.match(
    refused.stdout,
    /cluster-api-provider-openstack: clusterApi\.openstack\.version is not a supported release/,
  );
});

test("upstream's way is followed: index, dependencies, image manifest", async (t) => {
  const pages: Record<string, string> = {
    "/azimuth-cloud.github.io/capi-helm-charts/index.yaml":
      "entries:\n  openstack-cluster:\n    - version: 0.9.0\n    - version: 0.28.1\n    - version: 0.29.0-rc.1\n    - version: 0.27.0\n",
    "/github.com/azimuth-cloud/capi-helm-charts/releases/download/0.28.1/dependencies.json":
      '{"azimuth-images": "0.33.0", "cluster-api": "v1.14.0"}',
    "/github.com/azimuth-cloud/azimuth-images/releases/download/0.33.0/manifest.json": readFileSync(
      MANIFEST,
      "utf8",
    ),
    "/charts.example.org/index.yaml":
      "entries:\n  kube-prometheus-stack: [{ version: 88.6.0 }]\n  fluent-bit: [{ version: 0.59.0 }]\n  loki: [{ version: 18.12.0 }]\n",
  };
  const server = createServer((request, response) => {
    const page = pages[request.url ?? ""];
    response.writeHead(page === undefined ? 404 : 200).end(page);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  assert.equal(
    await newestChart(`${base}/azimuth-cloud.github.io/capi-helm-charts`, "openstack-cluster"),
    "0.28.1",
  );
  const at = { repository: "https://charts.example.org" };
  const site = {
    mirror: { url: base },
    cluster: { chart: { repository: "https://azimuth-cloud.github.io/capi-helm-charts" } },
    monitoring: { enabled: true, ...at },
    logs: { enabled: true, collector: at, loki: at },
    backups: { enabled: false, ...at },
  };
  const { releases, images } = await newestReleases(site, false);
  assert.deepEqual(releases, {
    "azimuth-images": "0.33.0",
    "cluster-api": "v1.14.0",
    "openstack-cluster": "0.28.1",
    "kube-prometheus-stack": "88.6.0",
    "fluent-bit": "0.59.0",
    loki: "18.12.0",
  });
  assert.equal(images.length, 3);
  await assert.rejects(newestReleases(site, true), /charts\.example\.org\/index\.yaml: no release of velero/);
  await assert.rejects(newestChart(`${base}/none`, "openstack-cluster"), /none\/index\.yaml: HTTP 404/);
  const { source, manifest } = await manifestOfChart("0.28.1", base);
  assert.equal(
    source,
    `${base}/github.com/azimuth-cloud/azimuth-images/releases/download/0.33.0/manifest.json`,
  );
  assert.equal(kubernetesImages(manifest, source).length, 3);
  await assert.rejects(manifestOfChart("0.28.2", base), /0\.28\.2\/dependencies\.json: HTTP 404/);
  await new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
  await assert.rejects(newestChart(base, "openstack-cluster"), /index\.yaml: .*(ECONNREFUSED|closed)/);
});

test("defaults.yaml changes in the version's line only, and not beside a checksum", () => {
  const text =
    "tools:\n  kubectl:\n    version: v1.34.8 # a\n    sha256: abc # b\n  helm:\n    version: v4.2.4 # azimuth-ops helm\nlast: 1\n";
  const finding = { component: "x", ours: "", upstream: "v5.0.0", verdict: "newer" as const, problems: [] };
  const { text: changed, taken } = proposeDefaults(
    text,
    [
      { ...finding, setting: "tools.helm.version" },
      { ...finding, setting: "tools.kubectl.version" },
    ],
    "capi-helm-charts 0.28.1",
  );
  assert.equal(changed, text.replace("v4.2.4 # azimuth-ops helm", "v5.0.0 # capi-helm-charts 0.28.1"));
  assert.deepEqual(
    taken.map(({ setting }) => setting),
    ["tools.helm.version"],
  );
});

test("the job opens one merge request with both files, and an issue for what is not allowed", async (t) => {
  const gitlab = await startGitLabReceiver();
  t.after(() => gitlab.close());
  const job = async (content: object) => {
    const child = spawn(process.execPath, ["--no-warnings", join(ROOT, "ci", "releases.ts")], {
      env: {
        ...process.env,
        CI_API_V4_URL: gitlab.apiUrl,
        CI_PROJECT_ID: "1",
        CI_DEFAULT_BRANCH: "main",
        CI_JOB_URL: "https://gitlab.example/job/1",
        CAPI_MGMT_GITLAB_TOKEN: gitlab.token,
        CAPI_MGMT_RELEASES: dependencies(t, content),
      },
    });
    return new Promise<number | null>((resolve) => child.on("close", resolve));
  };
  const releases = {
    "openstack-cluster": "0.28.1",
    "cluster-api": "v1.14.5",
    "cluster-api-provider-openstack": "v0.15.0",
  };
  assert.equal(await job(releases), 0);
  assert.equal(await job(releases), 0);
  assert.deepEqual(
    gitlab.mergeRequests.map(({ source_branch, target_branch, state }) => [
      source_branch,
      target_branch,
      state,
    ]),
    [["capi-mgmt/releases", "main", "opened"]],
  );
  assert.match(gitlab.mergeRequests[0]?.description ?? "", /- cluster-api v1\.14\.0 → v1\.14\.5\n/);
  const [push] = gitlab.pushes;
  assert.deepEqual(
    push?.actions.map(({ file_path }) => file_path),
    ["config/defaults.yaml", "docs/configuration.md"],
  );
  assert.match(push?.actions[0]?.content ?? "", /^ {4}version: v1\.14\.5 # capi-helm-charts 0\.28\.1$/m);
  assert.match(
    push?.actions[1]?.content ?? "",
    /`clusterApi\.core\.version`.*`v1\.14\.5`.*capi-helm-charts 0\.28\.1/,
  );
  assert.deepEqual(
    gitlab.issues.map(({ title, state }) => [title, state]),
    [["Upstream releases that the version table does not allow", "opened"]],
  );
  assert.equal(await job({ "cluster-api": "v1.14.0" }), 0);
  assert.equal(gitlab.issues[0]?.state, "closed");
  assert.equal(gitlab.pushes.length, 2);
});
