/** Which parts of the cache stay: those in use, and for a while those that another clone may use. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const cache = mkdtempSync(join(tmpdir(), "capi-mgmt-cache-"));
process.env["XDG_CACHE_HOME"] = cache; // before site.ts is loaded, which reads it once
const { ensurePart, partDir } = await import("../../lab/prepare/cache.ts");
after(() => {
  rmSync(cache, { recursive: true });
});

const part = (name: string, key: string) => ({
  name,
  key,
  files: ["program"],
  keptDays: 7,
  build(dir: string) {
    writeFileSync(join(dir, "program"), key);
    return Promise.resolve();
  },
});
const silent = () => undefined;

test("a new build removes builds of the same name that nobody asked for in a week", async () => {
  const [forgotten, used, other] = [part("programs", "a"), part("programs", "b"), part("programs-lab", "a")];
  for (const made of [forgotten, used, other]) {
    const dir = await ensurePart(made, silent);
    const weekAgo = new Date(Date.now() - 8 * 24 * 60 * 60 * 1000);
    utimesSync(join(dir, "complete.json"), weekAgo, weekAgo);
  }
  await ensurePart(used, silent); // asked for again
  await ensurePart(part("programs", "c"), silent);
  const left = [forgotten, used, other].map((made) => existsSync(partDir(made)));
  assert.deepEqual(left, [false, true, true]);
});

test("a program that changed on disk is built again when contents are compared", async () => {
  const made = part("checked", "a");
  const dir = await ensurePart(made, silent);
  writeFileSync(join(dir, "program"), "cut");
  const notes: string[] = [];
  await ensurePart(made, (text) => notes.push(text), true);
  assert.deepEqual(notes, ["checking", "checking"]);
  await ensurePart(made, silent, true);
  assert.equal(existsSync(join(dir, "complete.json")), true);
});
