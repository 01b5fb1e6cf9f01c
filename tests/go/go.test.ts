/**
 * Go tests of the lab's packages, each as a test here. What they import, but for six packages, the lab's build has compiled, if
 * CGO is off as there. Without `server`, which starts whole servers: tests/lab/kubernetes.test.ts has it.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { execa } from "execa";
import { goEnv } from "../../lab/prepare/goBuild.ts";

const module = join(import.meta.dirname, "../../lab/kubernetes");
const PACKAGES = [
  ...["./addons", "./agent", "./bundle", "./cloud", "./cloud/cinder", "./cloud/nodes"],
  ...["./cmd/reloader", "./cni", "./janitor", "./options", "./pki"],
];
const options = { cwd: module, reject: false, env: goEnv() } as const;

interface Event {
  readonly Action: string;
  readonly Package: string;
  readonly Test?: string;
  readonly Output?: string;
}

for (const path of PACKAGES) {
  void test(`go test and go vet ${path}`, async (context) => {
    const vet = await execa("go", ["vet", path], options);
    assert.equal(vet.exitCode, 0, vet.stderr || vet.shortMessage);
    const result = await execa("go", ["test", "-json", path], options);
    const events = result.stdout
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as Event);
    const output = (name?: string) =>
      events
        .flatMap(({ Test, Output = "" }) => (name === undefined || Test === name ? [Output] : []))
        .join("");
    const ended = events.filter(
      ({ Test, Action }) => Test !== undefined && /^(pass|fail|skip)$/.test(Action),
    );
    for (const { Test = "", Action } of ended.filter((event) => event.Test?.includes("/") !== true)) {
      const skip = Action === "skip";
      await context.test(Test, { skip }, () => assert.equal(Action, "pass", output(Test)));
    }
    assert.ok(ended.length > 0, output() || result.stderr || result.shortMessage);
    assert.equal(result.exitCode, 0, output() || result.stderr);
  });
}
