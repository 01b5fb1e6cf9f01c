/** Which hosts a NO_PROXY names by a network. That the way is taken is shown in tests/preflight/gather.test.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { networksOf } from "../../lib/way-out.ts";

const NO_PROXY = [
  "localhost",
  " 10.0.0.0/8",
  "203.0.113.0/24",
  "fd00::/8",
  ".svc",
  "192.0.2.7",
  "1.2.3.4/33",
  "1.2.3.4/",
  "1.2.3.4/8/8",
  "a/8",
  "/8",
];

for (const [host, expected] of [
  ["10.255.0.1", true],
  ["203.0.113.10", true],
  ["203.0.114.10", false],
  ["[fd00::1]", true],
  ["[2001:db8::1]", false],
  ["10.example.org", false],
  ["localhost", false],
  // An address is undici's to compare.
  ["192.0.2.7", false],
  ["1.2.3.4", false],
] as const) {
  test(`${host} is ${expected ? "" : "not "}in a network of NO_PROXY`, () => {
    assert.equal(networksOf(NO_PROXY)(host), expected);
  });
}

test("without networks no host is in one", () => {
  assert.equal(networksOf([""])("10.0.0.1"), false);
});
