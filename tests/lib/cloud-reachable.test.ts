/**
 * The seed's question to the cloud's identity endpoint, with the real curl against a server on loopback: what it says
 * to an operator in each case.
 */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { runShell, temporaryFolder } from "../support/shell.ts";
import { selfSigned } from "../support/selfSigned.ts";

/** Answers with the status that the path names; a process of its own, because the script is waited for. */
const SERVER = `
const { readFileSync } = require("node:fs");
const [key, cert] = process.argv.slice(1).map((file) => readFileSync(file));
const server = require("node:https").createServer({ key, cert }, (asked, answer) => {
  answer.writeHead(Number(asked.url.slice(1))).end();
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));`;

async function site(context: TestContext) {
  const folder = temporaryFolder(context);
  const { key, cert } = selfSigned(folder);
  const server: ChildProcess = spawn(process.execPath, ["-e", SERVER, key, cert]);
  context.after(() => server.kill());
  const [line] = (await once(server.stdout!, "data")) as [Buffer];
  const ask = (url: string, ca = readFileSync(cert, "utf8")) =>
    runShell(folder, {
      files: ["cloud-reachable"],
      variables: { AUTH_URL: url, CLOUD_CA: ca, REACH_SECONDS: 0 },
      run: "on_create",
    });
  return { base: `https://127.0.0.1:${line.toString().trim()}`, ask };
}

test("an endpoint that answers is reached, also with Keystone's list of versions (300)", async (t) => {
  const { base, ask } = await site(t);
  for (const status of [200, 300, 401]) {
    const { code, stdout, stderr } = ask(`${base}/${status}`);
    assert.deepEqual([code, stdout], [0, "reachable\n"], stderr);
  }
});

test("what is wrong is told with what to do about it", async (t) => {
  const { base, ask } = await site(t);
  const CASES: [ReturnType<typeof ask>, RegExp][] = [
    [ask(`${base}/503`), /answers the seed with HTTP 503/],
    [ask(`${base}/200`, ""), /does not trust the certificate of https:.*set openstack\.caCert/],
    [ask("https://keystone.invalid:5000/v3"), /cannot resolve the host .*set seed\.network\.dnsNameservers/],
    [ask("https://127.0.0.1:9/v3"), /does not reach https:\/\/127\.0\.0\.1:9\/v3 \(curl: 7\)/],
  ];
  for (const [{ code, stderr }, message] of CASES) {
    assert.match(stderr, message);
    assert.notEqual(code, 0);
  }
});

test("a cloud that answers a moment later is waited for, and nothing is left behind", (t) => {
  const folder = temporaryFolder(t);
  const { code, stdout, stderr, calls } = runShell(folder, {
    files: ["cloud-reachable"],
    variables: { AUTH_URL: "https://cloud:5000/v3", CLOUD_CA: "PEM", REACH_SECONDS: 30 },
    programs: {
      mktemp: 'echo "$HOME/ca"',
      curl: 'echo x >> "$HOME/asked"; case $(wc -l < "$HOME/asked") in 1) exit 7 ;; 2) printf 503 ;; *) printf 200 ;; esac',
      sleep: "",
    },
    run: 'on_create; ls "$HOME/ca" 2> /dev/null || true',
  });
  assert.deepEqual([code, stdout], [0, "reachable\n"], stderr);
  assert.equal(calls.filter((call) => call.startsWith("curl ")).length, 3);
});
