/** What a kubeconfig's connection says when it works and in each way it can fail, against a TLS server on loopback. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import type { Server } from "node:https";
import { apiVersion } from "../../kayobe/reachable.ts";
import { selfSigned } from "../support/selfSigned.ts";

const files = mkdtempSync(join(tmpdir(), "capi-mgmt-reachable-"));
let server: Server;
let url = "";
let caCert = "";

before(async () => {
  const { key, cert } = selfSigned(files);
  caCert = readFileSync(cert, "utf8");
  server = createServer({ key: readFileSync(key), cert: caCert }, (asked, answer) => {
    const allowed = asked.headers.authorization === "Bearer good" || asked.url === "/version";
    answer.writeHead(allowed ? 200 : 401).end(JSON.stringify({ gitVersion: "v1.34.8" }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => {
  server.close();
  rmSync(files, { recursive: true });
});

test("a working kubeconfig tells the version", async () => {
  assert.deepEqual(await apiVersion({ server: url, caCert, token: "good" }), [
    `${url}: reached from this machine, Kubernetes v1.34.8`,
  ]);
});

test("a revoked token is told although /version is open to anyone", async () => {
  await assert.rejects(
    apiVersion({ server: url, caCert, token: "revoked" }),
    /refuses the kubeconfig's token \(HTTP 401\)/,
  );
});

test("another authority is told as a certificate that does not fit", async () => {
  const { rootCertificates } = await import("node:tls");
  await assert.rejects(
    apiVersion({ server: url, caCert: rootCertificates[0] ?? "", token: "good" }),
    /its certificate does not fit the kubeconfig \(/,
  );
});

test("a name that the certificate does not have is told as one that does not fit", async () => {
  const local = url.replace("127.0.0.1", "localhost");
  await assert.rejects(apiVersion({ server: local, caCert, token: "good" }), /ERR_TLS_CERT_ALTNAME_INVALID/);
});

test("an API that is down is told", async () => {
  await assert.rejects(
    apiVersion({ server: "https://127.0.0.1:1", caCert, token: "good" }),
    /connection refused: the cluster's API is down/,
  );
});
