/**
 * State on S3, over HTTP, against a server that keeps objects in memory and answers as S3 does.
 */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { openBucket, type Bucket } from "../../engine/bucket.ts";
import { StackLocked, StackStore } from "../../engine/stack-store.ts";

const KEYS = { AWS_ACCESS_KEY_ID: "key", AWS_SECRET_ACCESS_KEY: "secret" };

/** An S3 with one bucket `state`; pages of two keys, so that listing has to go on. */
async function s3(
  context: TestContext,
): Promise<{ endpoint: string; objects: Map<string, Buffer>; log: string[] }> {
  const objects = new Map<string, Buffer>();
  const log: string[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://s3");
    const key = decodeURIComponent(url.pathname).replace(/^\/state\/?/, "");
    log.push(`${request.method} ${key}`);
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      if (request.headers.authorization?.includes("Credential=key/") !== true) {
        response.writeHead(403, { "content-type": "application/xml" });
        response.end("<Error><Code>InvalidAccessKeyId</Code><Message>no such key</Message></Error>");
      } else if (request.method === "PUT") {
        objects.set(key, Buffer.concat(parts));
        response.writeHead(200, { etag: '"x"' }).end();
      } else if (request.method === "DELETE") {
        objects.delete(key);
        response.writeHead(204).end();
      } else if (key === "") {
        const prefix = url.searchParams.get("prefix") ?? "";
        const from = Number(url.searchParams.get("continuation-token") ?? "0");
        const keys = [...objects.keys()].filter((name) => name.startsWith(prefix)).sort();
        const page = keys.slice(from, from + 2).map((name) => `<Contents><Key>${name}</Key></Contents>`);
        const more = from + 2 < keys.length;
        const token = more ? `<NextContinuationToken>${from + 2}</NextContinuationToken>` : "";
        response.writeHead(200, { "content-type": "application/xml" });
        response.end(
          `<ListBucketResult>${page.join("")}<IsTruncated>${more}</IsTruncated>${token}</ListBucketResult>`,
        );
      } else if (objects.has(key)) {
        response.writeHead(200).end(objects.get(key));
      } else {
        response.writeHead(404, { "content-type": "application/xml" });
        response.end("<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>");
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => server.close());
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, objects, log };
}

function open(endpoint: string, rest = ""): Promise<Bucket> {
  const query = `region=us-east-1&endpoint=${encodeURIComponent(endpoint)}&s3ForcePathStyle=true&disableSSL=true`;
  return openBucket(`s3://state${rest}?${query}`, KEYS);
}

test("a stack's life on S3: the DIY backend's keys, backups, history, the lock", async (context) => {
  const { endpoint, objects } = await s3(context);
  const store = new StackStore(await open(endpoint), "proj", "dev");
  assert.equal(await store.load(), undefined);
  await store.lock();
  const other = new StackStore(await open(endpoint), "proj", "dev");
  await assert.rejects(other.lock(), StackLocked);
  await store.save('{"version":3,"checkpoint":{"stack":"first"}}');
  await store.save('{"version":3,"checkpoint":{"stack":"second"}}');
  assert.equal((await store.load())?.checkpoint.stack, "second");
  await store.record(
    { kind: "update", startTime: 1, endTime: 2, result: "succeeded", resourceChanges: { create: 1 } },
    '{"version":3}',
  );
  await store.unlock();
  const keys = [...objects.keys()].map((key) => key.replaceAll(/\d{15,}/g, "N")).sort();
  assert.deepEqual(keys, [
    ".pulumi/history/proj/dev/dev-N.checkpoint.json",
    ".pulumi/history/proj/dev/dev-N.history.json",
    ".pulumi/meta.yaml",
    ".pulumi/stacks/proj/dev.json",
  ]);
  const second = new StackStore(await open(endpoint), "proj", "dev");
  await second.save('{"version":3,"checkpoint":{"stack":"third"}}');
  const added = [...objects.keys()]
    .map((key) => key.replaceAll(/\d{15,}/g, "N"))
    .filter((key) => !keys.includes(key));
  assert.deepEqual(added.sort(), [".pulumi/backups/proj/dev/dev.N.json", ".pulumi/stacks/proj/dev.json.bak"]);
  assert.match(objects.get(".pulumi/stacks/proj/dev.json.bak")?.toString() ?? "", /second/);
});

test("a folder in the bucket, long listings, keys that are not there", async (context) => {
  const { endpoint, objects } = await s3(context);
  const bucket = await open(endpoint, "/sites");
  for (const name of ["a", "b", "c", "d", "e"]) await bucket.write(`x/${name}`, name);
  assert.deepEqual(await bucket.list("x/"), ["x/a", "x/b", "x/c", "x/d", "x/e"]);
  assert.ok(objects.has("sites/x/a"));
  await bucket.delete("x/a");
  await bucket.delete("x/a");
  assert.equal(await bucket.read("x/a"), undefined);
});

test("what is wrong with the state's place is told in the server's words, without keys", async (context) => {
  const { endpoint } = await s3(context);
  const query = `region=r&endpoint=${encodeURIComponent(endpoint)}&s3ForcePathStyle=true`;
  const bucket = await openBucket(`s3://state?${query}`, {
    AWS_ACCESS_KEY_ID: "wrong",
    AWS_SECRET_ACCESS_KEY: "hidden",
  });
  await assert.rejects(bucket.read("x"), (error: Error) => {
    assert.match(error.message, /cannot read the state at s3:\/\/state.*InvalidAccessKeyId: no such key/);
    assert.doesNotMatch(error.message, /hidden/);
    return true;
  });
  await assert.rejects(openBucket("s3://state?regoin=r", KEYS), /unknown parameter regoin .*legal: region/);
  await assert.rejects(openBucket("gs://state", KEYS), /file:\/\/ or s3:\/\/ only, not at gs:\/\/state/);
});
