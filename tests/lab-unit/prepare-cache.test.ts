/** Which parts of the cache stay: those in use, and for a while those that another clone may use. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const cache = mkdtempSync(join(tmpdir(), "capi-mgmt-cache-"));
process.env["XDG_CACHE_HOME"] = cache; // before site.ts is loaded, which reads it once
const { ensurePart, partDir, requireSpace } = await import("../../lab/prepare/cache.ts");
after(() => {
  rmSync(cache, { recursive: true });
});

const part = (name: string, key: string) => ({
  name,
  key,
  files: ["program"],
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

test("of many builds of one name, three stay for a week and the others for six hours", async () => {
  const parts = ["a", "b", "c", "d", "e"].map((key) => part("many", key));
  for (const [index, made] of parts.entries()) {
    const dir = await ensurePart(made, silent);
    const then = new Date(Date.now() - (10 - index) * 60 * 60 * 1000);
    utimesSync(join(dir, "complete.json"), then, then);
  }
  await ensurePart(part("many", "new"), silent);
  const left = parts.map((made) => existsSync(partDir(made)));
  assert.deepEqual(left, [false, false, false, true, true]);
});

test("a disk that is nearly full is refused, with its folder and what to do", () => {
  requireSpace(["/a", "/b"], () => 5e9);
  assert.throws(
    () => {
      requireSpace(["/a", "/b"], (folder) => (folder === "/b" ? 4.9e9 : 6e9));
    },
    { message: /^\/b: 4\.9 GB free, the lab needs 5\.0 GB\n`npm run lab -- reset`/ },
  );
  requireSpace([join(cache, "not", "there")]);
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
