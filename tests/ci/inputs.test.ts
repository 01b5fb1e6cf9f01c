/**
 * What the fingerprint covers, with the whole program under mocks: every value that the program asks for, secret or not,
 * whatever the day. Does not prove what the engine makes of it.
 */
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { approvalKey, keyedDigest, unknownPaths } from "../../ci/inputs.ts";
import { PLANTED } from "../support/mocks.ts";
import { type Sections, type Watched, watchProgram } from "../support/programInputs.ts";

const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const key = approvalKey("credential", "prod");

/** Digest by name of the resource. */
function digests({ inputs, urns }: Watched): Map<string, string> {
  return new Map(urns.map((urn) => [urn.split("::").slice(2).join("::"), inputs.digest(urn, [])]));
}

/** Names of the resources whose values differ. */
function differing(one: Watched, other: Watched): string[] {
  const before = digests(one);
  return [...digests(other)].filter(([name, digest]) => before.get(name) !== digest).map(([name]) => name);
}

const base = await watchProgram("prod");

async function changed(change: (sections: Sections) => void): Promise<string[]> {
  return differing(base, await watchProgram("prod", change));
}

test("two runs of the program give the same digests", async () => {
  assert.deepEqual(await changed(() => undefined), []);
});

test("the program asks for the same today and a year later, byte for byte", async () => {
  mock.timers.enable({ apis: ["Date"], now: new Date("2026-11-23T00:00:00Z") });
  const today = await watchProgram("prod");
  mock.timers.setTime(new Date("2027-11-24T12:34:56Z").valueOf());
  const later = await watchProgram("prod");
  mock.timers.reset();
  const text = ({ recording: { resources } }: Watched) =>
    JSON.stringify(resources.toSorted((one, other) => (one.urn < other.urn ? -1 : 1)));
  assert.ok(text(today).length > 50_000);
  assert.equal(text(today), text(later));
  assert.deepEqual(differing(today, later), []);
});

test("another rotation reads both kubeconfigs anew, and nothing else by itself", async () => {
  const names = await changed((sections) => {
    sections["capi-mgmt:kubeconfigs"] = { rotation: 2 };
  });
  assert.deepEqual(
    names.map((name) => name.split("::").at(-1)),
    ["cluster-kubeconfig", "k3s-kubeconfig"],
  );
});

test("another image id changes the digest", async () => {
  const image = (id: string) => (sections: Sections) => {
    sections["capi-mgmt:seed"] = { ...sections["capi-mgmt:seed"], image: { id } };
  };
  const one = await watchProgram("prod", image("0f1e2d3c-4b5a-4968-8776-655443322110"));
  const other = await watchProgram("prod", image("0f1e2d3c-4b5a-4968-8776-655443322111"));
  assert.ok(differing(one, other).some((name) => name.includes("compute/instance:Instance")));
});

test("another version of Cluster API changes the digest", async () => {
  const names = await changed((sections) => {
    sections["capi-mgmt:clusterApi"] = { core: { version: "v1.14.3" } };
  });
  assert.ok(names.some((name) => name.includes("bootstrap")));
  assert.ok(names.some((name) => name.includes("management")));
});

test("another value of a secret changes the digest, which does not show it", async () => {
  const webhook = (url: string) => (sections: Sections) => {
    sections["capi-mgmt:monitoring"] = { ...sections["capi-mgmt:monitoring"], slack: { webhookUrl: url } };
  };
  const one = await watchProgram("prod", webhook(`https://hooks.example.org/${PLANTED.slack}`));
  const other = await watchProgram("prod", webhook(`https://hooks.example.org/${PLANTED.slack}-2`));
  assert.ok(differing(one, other).some((name) => name.includes("monitoring")));
  for (const digest of digests(one).values()) assert.match(digest, /^[0-9a-f]{64}$/);
});

test("of a first preview, what is not known yet is named by path and left out", async () => {
  const { inputs, urns } = await watchProgram("prod", undefined, true);
  const release = urns.find((urn) => urn.includes("helm.sh/v3:Release") && urn.endsWith("::cluster-release"));
  assert.ok(release !== undefined, urns.filter((urn) => urn.includes("Release")).join("\n"));
  const unknown = inputs.unknown(release);
  assert.ok(unknown.length > 0);
  assert.notEqual(inputs.digest(release, unknown), inputs.digest(release, []));
});

test("a resource whose values were not seen cannot be approved", async () => {
  const { inputs } = await watchProgram("dev");
  assert.throws(() => inputs.digest("urn:pulumi:dev::capi-mgmt::a:b/c:D::x", []), /its values are not known/);
  assert.throws(() => inputs.unknown("urn:pulumi:dev::capi-mgmt::a:b/c:D::x"), /its values are not known/);
});

test("the digest is of values, not of the order of their keys; another key gives another", () => {
  assert.equal(
    keyedDigest(key, { a: 1, b: [{ c: 2, d: 3 }] }, []),
    keyedDigest(key, { b: [{ d: 3, c: 2 }], a: 1 }, []),
  );
  assert.notEqual(keyedDigest(key, { a: [1, 2] }, []), keyedDigest(key, { a: [2, 1] }, []));
  for (const other of [approvalKey("credential", "dev"), approvalKey("another", "prod")])
    assert.notEqual(keyedDigest(other, { a: 1 }, []), keyedDigest(key, { a: 1 }, []));
});

test("a value that was not known may become any; every other one may not", () => {
  const before = { name: "x", values: { address: UNKNOWN, list: ["a", UNKNOWN] }, whole: UNKNOWN };
  const unknown = unknownPaths(before);
  assert.deepEqual(unknown, [["values", "address"], ["values", "list", 1], ["whole"]]);
  const after = { name: "x", values: { address: "203.0.113.7", list: ["a", "b"] }, whole: { a: 1 } };
  const digest = keyedDigest(key, before, unknown);
  assert.equal(keyedDigest(key, after, unknown), digest);
  const { whole, ...without } = after;
  assert.deepEqual(
    [whole, keyedDigest(key, without, unknown)],
    [{ a: 1 }, digest],
    "or turn out to be nothing",
  );
  for (const other of [
    { ...after, name: "y" },
    { ...after, added: 1 },
    { ...after, values: { ...after.values, list: ["a", "b", "c"] } },
    { ...after, values: { ...after.values, list: ["z", "b"] } },
  ])
    assert.notEqual(keyedDigest(key, other, unknown), digest);
});
