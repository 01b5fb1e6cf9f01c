/**
 * The embedded engine against the real Pulumi CLI, with the same program, on the lab, over one and the same state.
 *
 * What one engine deployed the other must find unchanged; a change both must preview alike; what one changed the other
 * must take as it is; both must print the same outputs. Without the CLI and its plugins every test is skipped.
 * Does not prove Chart, yaml or import resources, which the program does not use and the embedded engine refuses.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { parse, stringify } from "yaml";
import { runEngine } from "../../engine/main.ts";
import { command, enterLab, lab, openstack, output } from "../support/lab.ts";
import { copyProject } from "../support/projectCopy.ts";
import { noRealPulumi } from "../support/realPulumi.ts";

const missing =
  process.getuid?.() === 0 ? noRealPulumi("openstack", "kubernetes", "command") : "needs root, for the lab";
/** Resource by URN, with what an engine would do to it. */
type Operations = Map<string, string>;
type StackFile = { config: Record<string, Record<string, unknown>> };

describe("the embedded engine and the real Pulumi CLI", { skip: missing }, () => {
  const scratch = mkdtempSync(join(tmpdir(), "parity-"));
  const copy = join(scratch, "project");
  const stackFile = join(copy, "Pulumi.lab.yaml");
  let environment: Record<string, string | undefined> = {};
  let asFiled = "";

  before(() => {
    enterLab();
    const up = lab("up", "--stack", "lab", "--engine", "embedded");
    assert.equal(up.status, 0, up.stdout.slice(-4000) + up.stderr.slice(-2000));
    // A copy, because the CLI writes the stack's salt into Pulumi.lab.yaml.
    copyProject(copy);
    asFiled = readFileSync(stackFile, "utf8");
    environment = Object.fromEntries(
      output("env", ["-0"])
        .split("\0")
        .filter((entry) => entry.includes("="))
        .map((entry) => [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)]),
    );
  });
  after(() => {
    // The configuration's own state again, whatever a test left.
    if (environment["PULUMI_BACKEND_URL"] !== undefined) lab("up", "--stack", "lab", "--engine", "embedded");
    rmSync(scratch, { recursive: true, force: true });
  });

  async function embedded(engineCommand: "preview" | "up" | "output"): Promise<Record<string, unknown>> {
    let text = "";
    const { exitCode } = await runEngine({
      command: engineCommand,
      stack: "lab",
      projectDir: copy,
      backendUrl: environment["PULUMI_BACKEND_URL"] ?? "",
      passphrase: readFileSync(environment["PULUMI_CONFIG_PASSPHRASE_FILE"] ?? "", "utf8").trim(),
      env: environment,
      json: true,
      showSecrets: engineCommand === "output",
      out: { write: (part: string) => ((text += part), true) },
    });
    assert.equal(exitCode, 0, text.slice(-4000));
    return JSON.parse(text) as Record<string, unknown>;
  }

  function real(...args: string[]): string {
    const done = command("pulumi", ["-C", copy, "--non-interactive", ...args, "--stack", "lab"], {
      timeout: 900_000,
    });
    assert.equal(
      done.status,
      0,
      `pulumi ${args.join(" ")}: ${done.stdout.slice(-4000)}${done.stderr.slice(-3000)}`,
    );
    return done.stdout;
  }

  async function previews(): Promise<{ embedded: Operations; real: Operations; realSame: number }> {
    const { resources } = (await embedded("preview")) as { resources: { urn: string; op: string }[] };
    // It names the steps that change something, and counts the others.
    const { steps, changeSummary } = JSON.parse(real("preview", "--json")) as {
      steps: { urn: string; op: string }[];
      changeSummary: { same?: number };
    };
    return {
      embedded: operations(resources),
      real: operations(steps),
      realSame: changeSummary.same ?? 0,
    };
  }

  test("the real CLI finds what the embedded engine deployed unchanged", async () => {
    const both = await previews();
    assert.ok(both.embedded.size > 40, `${both.embedded.size} resources`);
    assert.deepEqual(changed(both.real), []);
    assert.deepEqual(changed(both.embedded), []);
    assert.equal(both.realSame, both.embedded.size);
  });

  test("both print the same outputs", async () => {
    const fromReal = JSON.parse(real("stack", "output", "--json", "--show-secrets")) as Record<
      string,
      unknown
    >;
    // As digests: a failure must not print a kubeconfig.
    const digests = (outputs: Record<string, unknown>) =>
      Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, digest(value)]));
    assert.deepEqual(digests(await embedded("output")), digests(fromReal));
  });

  test("both preview a change alike, and take what the other made of it as it is", async () => {
    change((config) => {
      config["capi-mgmt:seed"] = {
        ...config["capi-mgmt:seed"],
        access: { allowedCidrs: { ssh: ["203.0.113.0/24", "198.51.100.0/24"], api: ["203.0.113.0/24"] } },
      };
      config["capi-mgmt:magnum"] = { kubeconfig: { rotation: 2 } };
    });
    const both = await previews();
    assert.ok(changed(both.embedded).length >= 2, JSON.stringify(changed(both.embedded)));
    assert.deepEqual(changed(both.embedded), changed(both.real));
    real("up", "--yes", "--skip-preview");
    const after = await previews();
    assert.deepEqual(changed(after.embedded), [], "what the real CLI changed");
    change((config) => delete config["capi-mgmt:magnum"]);
    const back = await previews();
    assert.deepEqual(changed(back.embedded), changed(back.real));
    await embedded("up");
    assert.deepEqual(changed((await previews()).real), [], "what the embedded engine changed");
  });

  test("both make the same from nothing, and each finds it unchanged", async () => {
    // As its file says, by the embedded engine.
    writeFileSync(stackFile, asFiled);
    await embedded("up");
    const byEmbedded = made();
    const count = (await previews()).embedded.size;
    real("destroy", "--yes", "--skip-preview");
    removeDataVolumes();
    real("up", "--yes", "--skip-preview");
    assert.deepEqual(made(), byEmbedded);
    const both = await previews();
    assert.equal(both.embedded.size, count);
    assert.deepEqual(changed(both.embedded), []);
    assert.deepEqual(changed(both.real), []);
  });

  /** What is there, seen from outside: names of the OpenStack objects and of the Helm releases, without random endings. */
  function made(): Record<string, string[]> {
    const kinds = [
      "server",
      "volume",
      "network",
      "subnet",
      "router",
      "security group",
      "loadbalancer",
      "keypair",
    ];
    const names = (kind: string) =>
      openstack<{ Name?: string; name?: string }>(...kind.split(" "), "list").map((item) =>
        String(item.Name ?? item.name).replaceAll(/-[a-z0-9]{5}\b/g, "-*"),
      );
    const { haKubeconfig } = JSON.parse(real("stack", "output", "--json", "--show-secrets")) as {
      haKubeconfig: string;
    };
    const file = join(scratch, "kubeconfig");
    writeFileSync(file, haKubeconfig, { mode: 0o600 });
    const releases = JSON.parse(
      output("helm", ["--kubeconfig", file, "list", "--all-namespaces", "--output", "json"]),
    ) as { name: string; namespace: string; chart: string; status: string }[];
    return {
      ...Object.fromEntries(kinds.map((kind) => [kind, names(kind).sort()])),
      releases: releases
        .map(({ name, namespace, chart, status }) => `${namespace}/${name} ${chart} ${status}`)
        .sort(),
    };
  }

  /** The data volume is kept on purpose: the next stack would have one more. */
  function removeDataVolumes(): void {
    for (const { ID } of openstack<{ ID: string }>("volume", "list"))
      output("openstack", ["volume", "delete", ID]);
  }

  function change(edit: (config: StackFile["config"]) => void): void {
    const file = parse(readFileSync(stackFile, "utf8")) as StackFile;
    edit(file.config);
    writeFileSync(stackFile, stringify(file));
  }
});

/** Both engines' words for one step, without the parts that only one of them lists. */
function operations(steps: readonly { urn: string; op: string }[]): Operations {
  const all: Operations = new Map();
  for (const { urn, op } of steps) {
    const one = /replace/.test(op) ? "replace" : op;
    if (all.get(urn) !== "replace") all.set(urn, one);
  }
  return all;
}

function changed(all: Operations): string[] {
  return [...all]
    .filter(([, op]) => op !== "same" && op !== "read")
    .map(([urn, op]) => `${op} ${urn}`)
    .sort();
}

function digest(value: unknown): string {
  return spawnSync("sha256sum", { input: JSON.stringify(value) })
    .stdout.toString()
    .slice(0, 16);
}
