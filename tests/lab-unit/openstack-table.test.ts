/** The lab's openstack plugin has what the program's components make, and nothing else. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const project = join(import.meta.dirname, "../..");

test("the plugin's table is the components' OpenStack resources and functions", () => {
  const used = globSync("components/**/*.ts", { cwd: project }).flatMap((file) =>
    [...readFileSync(join(project, file), "utf8").matchAll(/openstack\.([a-z]+)\.([A-Za-z]+)\(/g)].map(
      ([, module = "", name = ""]) =>
        `openstack:${module}/${name.charAt(0).toLowerCase()}${name.slice(1)}:${name}`,
    ),
  );
  const table = readFileSync(join(project, "lab/pulumi/openstack/main.go"), "utf8");
  const there = [...table.matchAll(/"(openstack:[^"]+)"/g)].map(([, token]) => token);
  assert.deepEqual(there.sort(), [...new Set(used)].sort());
});
