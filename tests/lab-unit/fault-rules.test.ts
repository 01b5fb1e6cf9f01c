/** The proxy's decisions on faults. Does not prove that the proxy carries them out: tests/lab/site.test.ts does. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  choose,
  describe,
  faultBody,
  matches,
  parseFault,
  type FaultRule,
} from "../../lab/services/faultRules.ts";

const services = ["keystone", "nova", "neutron"];
const base: FaultRule = { id: 1, service: "*", method: "*", path: "", status: 503 };
const request = { service: "nova", method: "POST", path: "/v2.1/servers" };

test("a rule hits by service, method and path", () => {
  const table: [Partial<FaultRule>, boolean][] = [
    [{}, true],
    [{ service: "nova" }, true],
    [{ service: "neutron" }, false],
    [{ method: "POST" }, true],
    [{ method: "GET" }, false],
    [{ path: "/servers" }, true],
    [{ path: "/volumes" }, false],
    [{ path: "/servers$/" }, true],
    [{ path: "/^/servers/" }, false],
    [{ service: "nova", method: "POST", path: "/v2\\.[0-9]+/servers/" }, true],
  ];
  for (const [part, expected] of table) {
    assert.equal(matches({ ...base, ...part }, request), expected, JSON.stringify(part));
  }
});

test("a used-up rule lets the next one decide", () => {
  const rules = [
    { ...base, id: 1, count: 2 },
    { ...base, id: 2, status: 429 },
  ];
  assert.equal(choose(rules, request, new Map([[1, 1]]))?.id, 1);
  assert.equal(choose(rules, request, new Map([[1, 2]]))?.id, 2);
  assert.equal(choose([], request, new Map()), undefined);
});

test("options of fault add are read", () => {
  const args = [
    "--service",
    "nova",
    "--method",
    "post",
    "--path",
    "/servers",
    "--status",
    "503",
    "--count",
    "2",
  ];
  assert.deepEqual(parseFault(args, 7, services), {
    id: 7,
    service: "nova",
    method: "POST",
    path: "/servers",
    status: 503,
    count: 2,
  });
  assert.deepEqual(parseFault(["--drop", "--service", "neutron"], 1, services), {
    id: 1,
    service: "neutron",
    method: "*",
    path: "",
    drop: true,
  });
});

test("wrong options are refused by name", () => {
  const table: [string[], string][] = [
    [
      ["--service", "glace", "--drop"],
      '--service: unknown service "glace" (legal: keystone, nova, neutron, *)',
    ],
    [["--status", "700"], '--status: "700" is no whole number from 100 to 599'],
    [["--delay", "-1"], '--delay: "-1" is no whole number from 0 to 3600000'],
    [["--service", "nova"], "a fault needs --status, --delay or --drop"],
    [["--status", "500", "--drop"], "--status and --drop exclude each other"],
    [["--status"], "--status: a value is missing"],
    [["--colour", "red"], "unknown option --colour"],
  ];
  for (const [args, message] of table) assert.throws(() => parseFault(args, 1, services), { message });
});

test("a broken regular expression is refused when it is written, not when a request comes", () => {
  assert.throws(() => parseFault(["--path", "/(/", "--drop"], 1, services), /Invalid regular expression/);
});

test("the answer has OpenStack's form, or the body asked for", () => {
  const answer = JSON.parse(faultBody(base, request)) as { error: { code: number; message: string } };
  assert.equal(answer.error.code, 503);
  assert.equal(answer.error.message, "The lab's fault 1 refuses POST /v2.1/servers.");
  assert.equal(faultBody({ ...base, body: "no" }, request), "no");
});

test("a listed rule says what it does and how often it did", () => {
  assert.equal(
    describe({ ...base, delay: 20, count: 3 }, 1),
    "1  * * (every path): waits 20 ms, answers 503; 1 of 3 hit",
  );
});
