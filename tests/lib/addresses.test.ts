/**
 * Which of several addresses is taken, and whom the API lets in.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { apiSources, ipv4Address, ipv4Addresses } from "../../lib/addresses.ts";

test("of a dual-stack object's addresses the IPv4 ones are taken, whatever their order", () => {
  assert.deepEqual(ipv4Addresses(["2001:db8::1", "192.0.2.1", "192.0.2.2"], "router r", "x"), [
    "192.0.2.1",
    "192.0.2.2",
  ]);
  assert.equal(ipv4Address(["2001:db8::1", "192.0.2.1"], "port p", "x"), "192.0.2.1");
});

test("no IPv4 address is an error that says whose, what there is and what to set", () => {
  assert.throws(() => ipv4Addresses([], "router r", "an external network with an IPv4 subnet"), {
    message: "router r has no IPv4 address (got no address; legal an external network with an IPv4 subnet)",
  });
  assert.throws(() => ipv4Address(["2001:db8::1"], "port p", "a subnet's id"), {
    message: "port p has no IPv4 address (got 2001:db8::1; legal a subnet's id)",
  });
});

test("sources that are let in: those configured, and each of our own once, as one address", () => {
  assert.deepEqual(
    apiSources(["192.0.2.0/24", "203.0.113.5/32"], ["203.0.113.5", "203.0.113.7", "203.0.113.7"]),
    [...["192.0.2.0/24", "203.0.113.5/32", "203.0.113.7/32"]],
  );
  assert.deepEqual(apiSources([], ["203.0.113.5"]), []);
});
