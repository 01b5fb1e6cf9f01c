/**
 * The small arithmetic below validation: addresses, durations, quantities, releases, and each format's edge cases.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SemVer } from "semver";
import fc from "fast-check";
import { overlaps, parseAddress, parseCidr } from "../../config/cidr.ts";
import * as formats from "../../config/formats.ts";
import { closestOf } from "../../config/nearest.ts";
import { bytesOf, durationSeconds, quantityBytes, secondsOf } from "../../config/units.ts";
import { atLeast, kubernetesMinorsFor, parseRelease } from "../../config/versions.ts";
import { CERTIFICATE } from "./certificate.ts";

const address = fc.ipV4();
const network = fc
  .tuple(address, fc.integer({ min: 0, max: 32 }))
  .map(([text, length]) => `${text}/${length}`);

test("a network holds exactly the addresses between its first and last", () => {
  fc.assert(
    fc.property(network, address, (text, other) => {
      const cidr = parseCidr(text);
      const one = parseCidr(`${other}/32`);
      const number = parseAddress(other);
      assert.ok(cidr !== undefined && one !== undefined && number !== undefined);
      return overlaps(cidr, one) === (number >= cidr.first && number <= cidr.last);
    }),
  );
});

test("overlap has no direction, and two networks overlap only if one holds the other", () => {
  fc.assert(
    fc.property(network, network, (first, second) => {
      const [one, other] = [parseCidr(first), parseCidr(second)];
      assert.ok(one !== undefined && other !== undefined);
      const nested =
        (one.first <= other.first && one.last >= other.last) ||
        (other.first <= one.first && other.last >= one.last);
      return overlaps(one, other) === overlaps(other, one) && overlaps(one, other) === nested;
    }),
  );
});

test("what is not a network is none", () => {
  for (const text of [
    "",
    "10.0.0.0",
    "10.0.0.0/33",
    "10.0.0/8",
    "10.0.0.0/08",
    "::/0",
    "10.0.0.256/8",
    "a/8",
    "1.2.3.4/-1",
  ]) {
    assert.equal(parseCidr(text), undefined, text);
  }
});

test("durations", () => {
  const table = { "90s": 90, "30m": 1800, "1h30m": 5400, "5m0s": 300, "24h": 86400, "0s": 0 };
  for (const [text, seconds] of Object.entries(table)) assert.equal(durationSeconds(text), seconds);
  for (const text of ["", "10", "1d", "1.5h", "m", "-1m", "1m1h", " 1m"])
    assert.equal(durationSeconds(text), undefined);
});

test("quantities", () => {
  const table = { "10Gi": 10 * 2 ** 30, "500M": 5e8, "1.5Ti": 1.5 * 2 ** 40, "7": 7, "1k": 1000 };
  for (const [text, bytes] of Object.entries(table)) assert.equal(quantityBytes(text), bytes);
  for (const text of ["", "Gi", "10GB", "10 Gi", "-1Gi", "1e3", "10gi"])
    assert.equal(quantityBytes(text), undefined);
});

test("no duration and no quantity is an error where a number must come out, and not 0", () => {
  assert.equal(secondsOf("1h30m"), 5400);
  assert.equal(bytesOf("10Gi"), 10 * 2 ** 30);
  assert.throws(() => secondsOf("soon"), { message: '"soon" is not a duration such as 90s, 30m or 1h30m' });
  assert.throws(() => bytesOf("10GB"), { message: '"10GB" is not a quantity such as 10Gi or 500M' });
});

test("releases are in order", () => {
  const release = fc.tuple(fc.nat(9), fc.nat(99), fc.nat(99)).map(([a, b, c]) => `v${a}.${b}.${c}`);
  fc.assert(
    fc.property(release, release, (first, second) => {
      const [one, other] = [parseRelease(first), parseRelease(second)];
      assert.ok(one !== undefined && other !== undefined);
      return atLeast(one, other) || atLeast(other, one);
    }),
  );
  assert.equal(parseRelease("v1.36.3+k3s1")?.version, "1.36.3");
  for (const none of ["latest", "", "1.36", "1.36.3.1"]) assert.equal(parseRelease(none), undefined);
  assert.equal(atLeast(new SemVer("0.24.0-dev.0.main.7"), new SemVer("0.24.0")), false);
  assert.deepEqual(kubernetesMinorsFor(new SemVer("1.12.0")), [31, 32, 33, 34]);
  assert.deepEqual(kubernetesMinorsFor(new SemVer("1.12.8")), [31, 32, 33, 34, 35, 36]);
  assert.equal(kubernetesMinorsFor(new SemVer("2.0.0")), undefined);
});

/** For each format, what it takes and what it does not. */
const FORMATS: Partial<Record<keyof typeof formats, { legal: unknown[]; illegal: unknown[] }>> = {
  line: { legal: ["a", "a b", "m1.large"], illegal: ["", " a", "a ", "a\nb", 3] },
  uuid: {
    legal: ["5617d17e-fdc1-4aa1-a14b-b9b5136c65af", "8f1b4ab9d5c84b6c9d2f4c3a2b1c0d9e"],
    illegal: ["5617d17e", "5617d17efdc1-4aa1-a14b-b9b5136c65af", ""],
  },
  networkCidr: { legal: ["10.0.0.0/8", "0.0.0.0/0", "1.2.3.4/32"], illegal: ["10.0.0.1/8", "10.0.0.0"] },
  ipv4: { legal: ["203.0.113.10"], illegal: ["203.0.113.256", "::1", "host"] },
  httpUrl: {
    legal: ["http://203.0.113.10:8080", "https://a.example/b"],
    illegal: ["ftp://a.example", "a.example", "https://", "https://user@a.example"],
  },
  retention: { legal: ["90d", "168h", "1y2w"], illegal: ["", "90", "0d", "1h1d", "forever"] },
  sha256: { legal: ["0".repeat(64)], illegal: ["0".repeat(63), `sha256:${"0".repeat(64)}`] },
  imageChecksum: {
    legal: [`sha256:${"a".repeat(64)}`, `sha512:${"b".repeat(128)}`],
    illegal: ["a".repeat(64), `sha512:${"a".repeat(64)}`, `md5:${"a".repeat(32)}`],
  },
  tag: { legal: ["v1.2.3", "v1.2.3-rc.1"], illegal: ["1.2.3", "v1.2", "latest", "v1.2.3+k3s1"] },
  chartVersion: { legal: ["0.27.0", "88.5.0", "1.0.0-dev.1+x"], illegal: ["v0.27.0", "0.27", "^1.0.0"] },
  k3sVersion: { legal: ["v1.34.8+k3s1", "v1.37.0-rc1+k3s1"], illegal: ["v1.34.8", "1.34.8+k3s1"] },
  pem: {
    legal: [CERTIFICATE, `${CERTIFICATE}\n${CERTIFICATE}`],
    illegal: ["", CERTIFICATE.slice(0, 200), "/etc/ca.pem"],
  },
  sshPublicKey: {
    legal: [`ssh-ed25519 ${"A".repeat(68)}`, `ssh-rsa ${"A".repeat(372)} me@here`],
    illegal: ["ssh-ed25519", `ssh-dss ${"A".repeat(68)}`, `ssh-ed25519 ${"A".repeat(68)}\nssh-rsa x`],
  },
  sshPrivateKey: {
    legal: ["-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"],
    illegal: [
      "AAAA",
      "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nAAAA\n-----END RSA PRIVATE KEY-----\n",
      "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    ],
  },
  dnsLabel: { legal: ["a", "md-0"], illegal: ["-a", "A", "a_b", "a".repeat(64)] },
  hostOrAddress: { legal: ["k3s.example", "203.0.113.1"], illegal: ["-a", "a b", "https://a"] },
  date: {
    legal: ["2027-04-30", "2027-04-30 00:00:00 +0000 UTC"],
    illegal: ["2027-02-30", "2027-04-30 12:00:00 +0000 UTC", "", "30.4.2027", "2027-4-3", "soon"],
  },
  countOrPercentage: { legal: [0, 1, "0%", "100%"], illegal: [-1, 1.5, "101%", "1", "%"] },
};

for (const [name, { legal, illegal }] of Object.entries(FORMATS)) {
  test(`format ${name}`, () => {
    const format = formats[name as "line"];
    for (const value of legal) assert.equal(format.safeParse(value).success, true, JSON.stringify(value));
    for (const value of illegal) assert.equal(format.safeParse(value).success, false, JSON.stringify(value));
  });
}

test("the nearest key is near, or none", () => {
  const keys = ["externalNetworkId", "cidr", "mtu", "dnsNameservers"];
  assert.equal(closestOf("externalNetworkID", keys), "externalNetworkId");
  assert.equal(closestOf("dnsNameserver", keys), "dnsNameservers");
  assert.equal(closestOf("frobnication", keys), undefined);
  assert.equal(closestOf("x", []), undefined);
});
