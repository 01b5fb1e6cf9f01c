import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { backendUrl, bootstrapBucket, type Step, statePolicy } from "../../state/bucket.ts";

const command = join(import.meta.dirname, "../../bin/bootstrap-state.ts");

void test("the policy lets one identity list the bucket and touch Pulumi's folder only", () => {
  const { Statement } = statePolicy("state", "arn:aws:iam::1:user/ci") as {
    Statement: { Action: string[]; Resource: string[]; Principal: unknown }[];
  };
  assert.deepEqual(
    Statement.map(({ Resource }) => Resource),
    [["arn:aws:s3:::state"], ["arn:aws:s3:::state/.pulumi/*"]],
  );
  for (const { Action, Principal } of Statement) {
    assert.deepEqual(Principal, { AWS: ["arn:aws:iam::1:user/ci"] });
    assert.ok(Action.every((action) => /^s3:(List|Get|Put|Delete)[A-Za-z]+$/.test(action)));
  }
});

void test("the backend's URL carries endpoint with scheme, path style and region", () => {
  assert.equal(
    backendUrl({
      bucket: "state",
      endpoint: "https://rgw.example.com",
      region: "us-east-1",
      pathStyle: true,
    }),
    "s3://state?region=us-east-1&endpoint=https%3A%2F%2Frgw.example.com&s3ForcePathStyle=true",
  );
  assert.equal(
    backendUrl({ bucket: "state", region: "eu-west-1", pathStyle: false }),
    "s3://state?region=eu-west-1",
  );
});

/** A store that knows buckets and versioning and answers NotImplemented to the rest, as several real ones do. */
async function withStore(action: (endpoint: string, requests: string[]) => Promise<void>): Promise<void> {
  const requests: string[] = [];
  let exists = false;
  let versioned = false;
  const server = createServer((request, response) => {
    const call = `${request.method ?? ""} ${(request.url ?? "").replace(/[&?]x-id=\w+/, "")}`;
    requests.push(call);
    const reply = (status: number, body = "") =>
      response.writeHead(status, { "Content-Type": "application/xml" }).end(body);
    if (call.startsWith("HEAD")) return void reply(exists ? 200 : 404);
    if (call === "PUT /state" || call === "PUT /state/") return void ((exists = true), reply(200));
    if (call.includes("?versioning")) {
      if (request.method === "PUT") return void ((versioned = true), reply(200));
      const status = versioned ? "<Status>Enabled</Status>" : "";
      return void reply(200, `<VersioningConfiguration>${status}</VersioningConfiguration>`);
    }
    reply(501, "<Error><Code>NotImplemented</Code><Message>not here</Message></Error>");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await action(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

void test("the bucket is made once; what a store lacks is told by name; a second run only looks", async () => {
  process.env["AWS_ACCESS_KEY_ID"] = "key";
  process.env["AWS_SECRET_ACCESS_KEY"] = "secret";
  await withStore(async (endpoint, requests) => {
    const options = { bucket: "state", endpoint, region: "us-east-1", pathStyle: true, keepVersionsDays: 90 };
    const outcomes = (steps: Step[]) => steps.map(({ name, outcome }) => `${name}: ${outcome}`);
    const lacking = ["encryption: unsupported", "public access block: unsupported", "lifecycle: unsupported"];
    const first = outcomes(await bootstrapBucket(options, () => undefined));
    assert.deepEqual(first, ["bucket: made", "versioning: set", ...lacking]);
    requests.length = 0;
    const second = outcomes(await bootstrapBucket(options, () => undefined));
    assert.deepEqual(second, ["bucket: already there", "versioning: already there", ...lacking]);
    assert.ok(
      !requests.some((request) => request === "PUT /state" || request.startsWith("PUT /state?versioning")),
    );
  });
});

const refusals: [args: string[], code: number, message: RegExp][] = [
  [[], 64, /give one bucket/],
  [["My_Bucket"], 64, /BUCKET: not a bucket name \(got My_Bucket; legal: 3 to 63/],
  [
    ["state", "--endpoint", "rgw.example.com"],
    64,
    /--endpoint: not a URL with scheme \(got rgw\.example\.com/,
  ],
  [["state", "--keep-versions-days", "0"], 64, /--keep-versions-days: not a whole number from 1 \(got 0\)/],
  [["state", "--colour"], 64, /Unknown option '--colour'/],
  [["state", "--endpoint", "http://127.0.0.1:1"], 1, /bucket state at http:\/\/127\.0\.0\.1:1: ECONNREFUSED/],
];
for (const [args, code, message] of refusals) {
  void test(`bootstrap-state ${args.join(" ")} ends with ${code}`, () => {
    const env = {
      ...process.env,
      AWS_ACCESS_KEY_ID: "key",
      AWS_SECRET_ACCESS_KEY: "planted-secret",
      AWS_MAX_ATTEMPTS: "1",
    };
    const result = spawnSync(process.execPath, ["--no-warnings", command, ...args], {
      encoding: "utf8",
      env,
    });
    assert.equal(result.status, code, result.stderr);
    assert.match(result.stderr, message);
    assert.doesNotMatch(result.stderr + result.stdout, /planted-secret/);
  });
}
