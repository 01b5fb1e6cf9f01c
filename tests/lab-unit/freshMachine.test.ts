/** Which paths a fresh machine does not have. tests/fresh proves that they are not there. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { setEnvironment } from "../support/environment.ts";
import { cacheFolders, ownedPaths, unownedPaths } from "../support/freshMachine.ts";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "fresh-"));
});
afterEach(() => rmSync(root, { recursive: true }));

/** Makes files; one that ends with `/` is a folder. */
function make(...names: string[]): void {
  for (const name of names) {
    const path = join(root, name);
    mkdirSync(name.endsWith("/") ? path : dirname(path), { recursive: true });
    if (!name.endsWith("/")) writeFileSync(path, "");
  }
}

const paths = (...names: string[]) => new Set(names.map((name) => `${root}/${name}`));

const hidden = (owned: ReadonlySet<string>, kept: ReadonlySet<string>) =>
  unownedPaths(root, owned, kept).map((path) => path.slice(root.length + 1));

void test("what no package owns is hidden, as high up as it goes", () => {
  make("mysql/my.cnf", "mysql/own.cnf", "keystone/fernet-keys/0", "empty/", "note");
  assert.deepEqual(hidden(paths("mysql", "mysql/my.cnf", "empty"), new Set()), [
    "keystone",
    "mysql/own.cnf",
    "note",
  ]);
});

void test("what is kept stays with everything in it, and nothing beside it", () => {
  make("home/.cache/pip/a", "home/.cache/other", "home/.npmrc", "home/.ssh/key");
  assert.deepEqual(hidden(new Set(), paths("home/.cache/pip", "home/.npmrc", "home/none")), [
    "home/.cache/other",
    "home/.ssh",
  ]);
});

void test("a folder that is kept without its content is emptied of what nobody owns", () => {
  make("bin/tool", "bin/packaged");
  assert.deepEqual(hidden(paths("bin/packaged"), paths("bin/")), ["bin/tool"]);
});

void test("a link to a folder is hidden as a link", () => {
  make("owned/file");
  symlinkSync(join(root, "owned"), join(root, "link"));
  assert.deepEqual(hidden(paths("owned", "owned/file", "link/file"), new Set()), ["link"]);
});

void test("packages' lists of files are read from dpkg's folder", () => {
  make("info/");
  writeFileSync(join(root, "info/one.list"), "/.\n/etc\n/etc/one.conf\n");
  writeFileSync(join(root, "info/two:amd64.list"), "/etc/two files\n");
  writeFileSync(join(root, "info/two.md5sums"), "0 /etc/not-a-list\n");
  const owned = ownedPaths(join(root, "info"));
  assert.ok(owned.has("/etc/one.conf") && owned.has("/etc/two files"));
  assert.ok(!owned.has("/etc/not-a-list"));
});

void test("caches that nobody has made yet are made: else they would be memory, and gone with the command", (context) => {
  const names = { GOMODCACHE: "mod", GOCACHE: "build", npm_config_cache: "npm", PIP_CACHE_DIR: "pip" };
  setEnvironment(
    context,
    Object.fromEntries(Object.entries(names).map(([name, folder]) => [name, join(root, folder)])),
  );
  const folders = cacheFolders();
  for (const folder of Object.values(names)) {
    assert.ok(folders.includes(join(root, folder)), folder);
    assert.ok(existsSync(join(root, folder)), folder);
  }
});
