/** What a run adds to the environment. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { enterEnvironment } from "../../automation/environment.ts";
import { setEnvironment } from "../support/environment.ts";

const collector = () => [process.env["GOGC"], process.env["GOMEMLIMIT"]];

void test("CLI and plugins collect their garbage late, up to a limit, and nothing of it stays after the run", (context) => {
  setEnvironment(context, { GOGC: undefined, GOMEMLIMIT: undefined });
  const leave = enterEnvironment();
  assert.deepEqual(collector(), ["400", "1GiB"]);
  leave();
  assert.deepEqual(collector(), [undefined, undefined]);
});

void test("the operator's own settings stay, and a run's own win", (context) => {
  setEnvironment(context, { GOGC: "50", GOMEMLIMIT: "300MiB", CAPI_MGMT_TEST: "before" });
  const leave = enterEnvironment({ GOGC: "75", CAPI_MGMT_TEST: "during" });
  assert.deepEqual([...collector(), process.env["CAPI_MGMT_TEST"]], ["75", "300MiB", "during"]);
  leave();
  assert.deepEqual([...collector(), process.env["CAPI_MGMT_TEST"]], ["50", "300MiB", "before"]);
});
