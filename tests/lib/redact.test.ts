import assert from "node:assert/strict";
import { test } from "node:test";
import { Redactor } from "../../lib/redact.ts";

void test("known secrets are cut out of any text, lines of keys included, short words left alone", () => {
  const redactor = new Redactor();
  redactor.add("hush-hush", "ab", "-----BEGIN KEY-----\nMIIEowIBAAKCAQEA1234567\n-----END KEY-----\n");
  assert.equal(redactor.clean("no hush-hush in ab"), "no [secret] in ab");
  assert.equal(redactor.clean("line MIIEowIBAAKCAQEA1234567 leaked"), "line [secret] leaked");
  assert.equal(redactor.clean("-----BEGIN KEY-----"), "-----BEGIN KEY-----");
});

void test("of two secrets of which one begins like the other, none is left in part", () => {
  const redactor = new Redactor();
  redactor.add("secret-1");
  redactor.add("secret-12");
  assert.equal(redactor.clean("secret-12, secret-1"), "[secret], [secret]");
});
