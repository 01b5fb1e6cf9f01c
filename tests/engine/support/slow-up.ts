/**
 * A process of its own that deploys two resources, each of which takes a while: for tests that interrupt and kill it.
 */
import { join } from "node:path";
import { runEngine } from "../../../engine/main.ts";
import { Cloud } from "./cloud.ts";
import type { Scenario } from "./scenario.ts";

const [folder] = process.argv.slice(2);
const scenario: Scenario = {
  resources: [{ name: "slow" }, { name: "after", props: { of: { $of: "slow.id" } } }],
};
const cloud = new Cloud();
cloud.fault("create slow", { wait: new Promise((resolve) => setTimeout(resolve, 1500)) });
cloud.fault("create after", { wait: new Promise((resolve) => setTimeout(resolve, 30_000)) });
const { exitCode } = await runEngine({
  command: "up",
  stack: "dev",
  projectDir: join(import.meta.dirname, "../fixtures/scenario"),
  backendUrl: `file://${folder}`,
  passphrase: "correct horse",
  env: { ...process.env, SCENARIO: JSON.stringify(scenario) },
  out: process.stdout,
  providers: { test: cloud.factory },
});
process.exit(exitCode);
