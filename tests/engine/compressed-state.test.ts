import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { openBucket } from "../../engine/bucket.ts";
import { StackStore } from "../../engine/stack-store.ts";

const folder = mkdtempSync(join(tmpdir(), "compressed-"));
const stacks = join(folder, ".pulumi/stacks/project");
after(() => rmSync(folder, { recursive: true }));

const store = async (gzip: boolean) =>
  new StackStore(await openBucket(`file://${folder}`, {}), "project", "dev", gzip);
const state = (marker: string) => JSON.stringify({ version: 3, checkpoint: { marker } });
const forms = () => readdirSync(stacks).filter((file) => !file.endsWith(".bak"));

void test("a state changes its form when asked for, is found in either, and is never there in both", async () => {
  await (await store(false)).save(state("plain"));
  assert.deepEqual(forms(), ["dev.json"]);
  const compressed = await store(true);
  assert.deepEqual(await compressed.load(), JSON.parse(state("plain")));
  await compressed.save(state("compressed"));
  assert.deepEqual(forms(), ["dev.json.gz"]);
  assert.equal(gunzipSync(readFileSync(join(stacks, "dev.json.gz"))).toString(), state("compressed"));
  assert.deepEqual(await (await store(false)).load(), JSON.parse(state("compressed")));
  await (await store(false)).save(state("plain again"));
  assert.deepEqual(forms(), ["dev.json"]);
  assert.equal(readdirSync(join(folder, ".pulumi/backups/project/dev")).length, 2);
});
