/**
 * bin/openstack-config-export against a golden file, and what it keeps of earlier runs. Does not prove that
 * openstack-config's roles take it: the shape was written from their tasks.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { generate, merge, type TemplateSettings } from "../../kayobe/openstackConfig.ts";
import { kubernetesImages } from "../../releases/imageManifest.ts";
import { EXIT } from "../../lib/command-error.ts";
import { folder, outputs, runCommand } from "./support.ts";

const MANIFEST = join(import.meta.dirname, "../releases/fixtures/manifest.json");
const GOLDEN = join(import.meta.dirname, "golden", "openstack-config.yml");

const run = (...more: string[]) =>
  runCommand(
    "openstack-config-export",
    ["dev", "--outputs", "-", "--manifest", MANIFEST, ...more],
    outputs("t"),
  );

test("writes what the golden file holds, and says what it leaves out", async () => {
  const done = await run();
  assert.equal(done.code, EXIT.ok, done.stderr);
  if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(GOLDEN, done.stdout);
  assert.equal(done.stdout, readFileSync(GOLDEN, "utf8"));
  assert.equal(
    done.stderr,
    "left out: kubernetes-1-37-noble (v1.37.0), which Cluster API v1.14.0 makes no clusters of\n",
  );
});

test("a file is written once, and --check tells whether it still fits", async (t) => {
  const file = join(folder(t), "magnum.yml");
  assert.equal((await run("--output", file, "--check")).code, EXIT.no);
  const written = await run("--output", file);
  assert.match(written.stdout, /: written\n/);
  assert.match((await run("--output", file)).stdout, /: unchanged\n/);
  assert.equal((await run("--output", file, "--check")).code, EXIT.ok);
  assert.equal((await run("--output", file, "--check", "--chart-version", "0.28.0")).code, EXIT.no);
});

test("a new chart makes new templates and hides the old; dropping deletes them", async (t) => {
  const file = join(folder(t), "magnum.yml");
  await run("--output", file);
  await run("--output", file, "--chart-version", "0.28.0");
  const states = () =>
    [...readFileSync(file, "utf8").matchAll(/- name: (kubernetes-\S+)(?:(?!- name)[^])*/g)].map(
      ([text, name]) => [
        name,
        /is_hidden: true/.test(text) ? "hidden" : /state: absent/.test(text) ? "absent" : "offered",
      ],
    );
  assert.deepEqual(states(), [
    ["kubernetes-v1.36.3-chart-0.28.0", "offered"],
    ["kubernetes-v1.34.8-chart-0.28.0", "offered"],
    ["kubernetes-v1.36.3-chart-0.27.0", "hidden"],
    ["kubernetes-v1.34.8-chart-0.27.0", "hidden"],
  ]);
  const dropped = await run(
    "--output",
    file,
    "--chart-version",
    "0.28.0",
    "--drop",
    "kubernetes-v1.34.8-chart-0.27.0",
  );
  assert.equal(dropped.code, EXIT.ok, dropped.stderr);
  assert.deepEqual(states().slice(2), [
    ["kubernetes-v1.36.3-chart-0.27.0", "hidden"],
    ["kubernetes-v1.34.8-chart-0.27.0", "absent"],
  ]);
  await run("--output", file, "--chart-version", "0.28.0");
  assert.equal(states().length, 3, "what was deleted is forgotten by the next run");
});

test("bad input is told by name and leaves the file as it is", async (t) => {
  const root = folder(t);
  const foreign = join(root, "foreign.yml");
  writeFileSync(foreign, "openstack_images: []\nother: 1\n");
  const broken = join(root, "broken.json");
  writeFileSync(
    broken,
    '{"kubernetes-1-34": {"name": "x", "url": "ftp://x", "checksum": "md5:1", "kubernetes_version": "1.34.8"}}',
  );
  const CASES: [Promise<{ code: number | null; stderr: string }>, number, RegExp][] = [
    [run("--output", foreign), EXIT.failed, /was not written by this command \(it has other\)/],
    [
      runCommand("openstack-config-export", ["dev", "--outputs", "-", "--manifest", broken], outputs("t")),
      EXIT.failed,
      /broken\.json: kubernetes-1-34: url, checksum: not valid/,
    ],
    [
      runCommand(
        "openstack-config-export",
        ["dev", "--outputs", "-", "--manifest", join(root, "none")],
        outputs("t"),
      ),
      EXIT.failed,
      /none: ENOENT/,
    ],
    [
      runCommand("openstack-config-export", ["nowhere", "--outputs", "-"], outputs("t")),
      EXIT.failed,
      /Pulumi\.nowhere\.yaml is not here/,
    ],
    [run("--check"), EXIT.usage, /--check needs --output/],
    [run("--prefix", "a-b"), EXIT.usage, /--prefix: not the beginning/],
    [run("--output", join(root, "new.yml"), "--drop", "x"), EXIT.failed, /has no template x/],
  ];
  for (const [result, code, message] of CASES) {
    const { code: found, stderr } = await result;
    assert.match(stderr, message);
    assert.equal(found, code);
  }
  assert.equal(readFileSync(foreign, "utf8"), "openstack_images: []\nother: 1\n");
});

const SETTINGS: TemplateSettings = {
  externalNetworkId: "external",
  controlPlaneFlavor: "small",
  workerFlavor: "small",
  dnsNameservers: ["192.0.2.53"],
  networkDriver: "calico",
  loadBalancerProvider: "ovn",
  labels: {},
  public: true,
};

test("other settings make another revision; the template that is there never changes", () => {
  const images = kubernetesImages(
    JSON.parse(readFileSync(MANIFEST, "utf8")) as Record<string, unknown>,
    "m",
  ).slice(-1);
  const none = { images: [], templates: [] };
  const first = merge(none, generate(images, "0.27.0", SETTINGS), []);
  const larger = generate(images, "0.27.0", { ...SETTINGS, workerFlavor: "large" });
  const second = merge(first, larger, []);
  assert.deepEqual(
    second.templates.map(({ name, flavor, is_hidden }) => [name, flavor, is_hidden]),
    [
      ["kubernetes-v1.34.8-chart-0.27.0-2", "large", undefined],
      ["kubernetes-v1.34.8-chart-0.27.0", "small", true],
    ],
  );
  assert.deepEqual(merge(second, larger, []), second, "a second run changes nothing");
  const back = merge(second, generate(images, "0.27.0", SETTINGS), []);
  assert.deepEqual(
    back.templates.map(({ name, is_hidden }) => [name, is_hidden]),
    [
      ["kubernetes-v1.34.8-chart-0.27.0", undefined],
      ["kubernetes-v1.34.8-chart-0.27.0-2", true],
    ],
    "settings that were there before are the template that was there before",
  );
});
