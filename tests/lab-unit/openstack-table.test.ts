/** The lab's openstack plugin has what the program's components make, and nothing else. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const project = join(import.meta.dirname, "../..");

test("the plugin's table is the components' OpenStack resources and functions", () => {
  const text = globSync("components/**/*.ts", { cwd: project })
    .map((file) => readFileSync(join(project, file), "utf8"))
    .join("\n");
  const made = [...text.matchAll(/openstack\.([a-z]+)\s*\.([A-Za-z]+)\(/g)].map(
    ([, module = "", name = ""]) =>
      `openstack:${module}/${name.charAt(0).toLowerCase()}${name.slice(1)}:${name}`,
  );
  // Functions are called by their token, see components/lookup.ts.
  const named = [...text.matchAll(/"(openstack:\w+\/[^"]+)"/g)].map(([, token = ""]) => token);
  const used = [...made, ...named];
  const table = readFileSync(join(project, "lab/pulumi/openstack/main.go"), "utf8");
  const there = [...table.matchAll(/"(openstack:[^"]+)"/g)].map(([, token]) => token);
  assert.deepEqual(there.sort(), [...new Set(used)].sort());
});
