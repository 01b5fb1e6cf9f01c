/**
 * Every version in config/defaults.yaml is somebody's to raise: the nightly job's, Renovate's, or a hand's with the reason.
 * Does not prove that Renovate understands its file, nor that upstream is where it says.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { leaves } from "../../config/tree.ts";
import { CHARTS, SETTINGS } from "../../releases/releases.ts";

const ROOT = join(import.meta.dirname, "../..");
const DEFAULTS = readFileSync(join(ROOT, "config/defaults.yaml"), "utf8");
const { customManagers } = JSON.parse(readFileSync(join(ROOT, "renovate.json"), "utf8")) as {
  customManagers: { depNameTemplate: string; matchStrings: string[]; autoReplaceStringTemplate?: string }[];
};

/** With another node image: docs/releasing.md. */
const BY_HAND = ["k3s.version", "tools.kubectl.version", "cluster.kubernetesVersion"];

const versions = (text: string) =>
  new Map(
    leaves(parse(text) as unknown)
      .map(({ path, value }) => [path.join("."), value] as const)
      .filter(([name]) => /version$/i.test(name)),
  );

/** What a merge request of Renovate's makes of the file, and the version that it found. */
function raised({ matchStrings, autoReplaceStringTemplate }: (typeof customManagers)[number], to: string) {
  const found = [...DEFAULTS.matchAll(new RegExp(matchStrings[0] ?? "", "g"))];
  assert.equal(found.length, 1, matchStrings[0]);
  const [text = ""] = found[0] ?? [];
  const current = found[0]?.groups?.["currentValue"] ?? "";
  const by = autoReplaceStringTemplate?.replace("{{{newValue}}}", to) ?? text.replace(current, to);
  return { current, text: DEFAULTS.replace(text, by) };
}

test("each version is raised by exactly one", () => {
  const before = versions(DEFAULTS);
  const byRenovate = customManagers.map((manager) => {
    const { current, text } = raised(manager, "v99.0.0");
    const changed = [...versions(text)].filter(([name, value]) => before.get(name) !== value);
    assert.deepEqual(
      changed.map(([name, value]) => [before.get(name), value]),
      [[current, "v99.0.0"]],
      manager.depNameTemplate,
    );
    return changed[0]?.[0] ?? "";
  });
  const known = [...Object.values(SETTINGS), ...byRenovate, ...BY_HAND];
  assert.deepEqual(known.toSorted(), [...before.keys()].toSorted());
});

test("a tool's checksum goes with its old version, and nothing else does", () => {
  for (const manager of customManagers.filter((one) => one.autoReplaceStringTemplate !== undefined)) {
    const sums = (text: string) =>
      Object.entries((parse(text) as { tools: object }).tools)
        .filter(([, tool]) => (tool as { sha256?: string }).sha256 !== undefined)
        .map(([name]) => name);
    const { text } = raised(manager, "v99.0.0");
    const tool = /\n {2}(\w+):/.exec(manager.autoReplaceStringTemplate ?? "")?.[1];
    assert.deepEqual(
      sums(text),
      sums(DEFAULTS).filter((name) => name !== tool),
    );
  }
});

test("a chart that is asked for has a repository and is compared", () => {
  const defaults = new Map(
    leaves(parse(DEFAULTS) as unknown).map(({ path, value }) => [path.join("."), value]),
  );
  for (const [chart, section] of CHARTS) {
    assert.match(String(defaults.get([...section, "repository"].join("."))), /^https:/, chart);
    assert.equal(SETTINGS[chart], [...section, "version"].join("."));
  }
});
