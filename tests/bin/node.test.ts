/**
 * Every way in with the wrong Node, or none: one sentence that says what to do. Does not prove what the pulumi CLI shows
 * around it.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { after, test } from "node:test";

const root = join(import.meta.dirname, "../..");
const scratch = mkdtempSync(join(tmpdir(), "node-"));
after(() => rmSync(scratch, { recursive: true }));

const { main, engines, dependencies, scripts } = JSON.parse(
  readFileSync(join(root, "package.json"), "utf8"),
) as {
  main: string;
  engines: { node: string };
  dependencies: Record<string, string>;
  scripts: Record<string, string>;
};

/** What the program's entry does on a Node that says it is of a version. */
function enter(version: string) {
  const preload = join(scratch, "version.cjs");
  const versions = `{ value: { ...process.versions, node: "${version}" } }`;
  writeFileSync(preload, `Object.defineProperty(process, "versions", ${versions});`);
  const load = `const entry = await import(${JSON.stringify(join(root, main))});
    if (Object.keys(entry).join() !== "default") throw new Error("the SDK takes a default export or others, not both");
    process.on("unhandledRejection", (error) => { console.error(error.message.split("\\n")[0]); process.exit(3); });
    await entry.default();`;
  const args = ["--no-warnings", "--require", preload, "--input-type=module", "--eval", load];
  return spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
}

void test("pulumi with a Node that cannot run the program ends with one sentence", () => {
  for (const version of ["20.20.2", "22.17.1"]) {
    const { status, stderr } = enter(version);
    assert.equal(status, 32, stderr);
    assert.equal(
      stderr,
      `this program needs Node ${engines.node}, and the first node on PATH is ${version}: ` +
        "call the CLI as npx pulumi, which takes the Node of this checkout\n",
    );
  }
});

void test("with a Node that can, the program begins", () => {
  for (const version of ["22.18.0", process.versions.node]) {
    // It is not run by Pulumi here, and says so itself.
    const { status, stderr } = enter(version);
    assert.notEqual(status, 32, stderr);
    assert.match(stderr, /pulumi/i);
    assert.doesNotMatch(stderr, /needs Node/);
  }
});

void test("there is one truth: the Node that is installed satisfies engines, and .node-version names it", () => {
  assert.equal(readFileSync(join(root, ".node-version"), "utf8").trim(), dependencies["node"]);
  assert.equal(process.versions.node, dependencies["node"]);
  assert.equal(engines.node, ">=22.18");
  const pages = globSync(["*.md", "docs/*.md", "lab/*.md", ".gitlab-ci.yml", "Pulumi.yaml"], { cwd: root });
  const told = pages.flatMap((page) =>
    [...readFileSync(join(root, page), "utf8").matchAll(/\bNode (\d+(?:\.\d+)*)/g)].map(([, version]) => ({
      page,
      version,
    })),
  );
  const legal = ["22.18", dependencies["node"]?.split(".")[0]];
  assert.deepEqual(
    told.filter(({ version }) => !legal.includes(version)),
    [],
  );
});

void test("npm ci says nothing but what it added: no audit, no funding, no warnings of the Node that runs npm", () => {
  const env = { PATH: process.env["PATH"], HOME: scratch };
  const { stdout } = spawnSync("npm", ["config", "list", "--json"], { cwd: root, encoding: "utf8", env });
  const { audit, fund, loglevel, ...rest } = JSON.parse(stdout) as Record<string, unknown>;
  assert.deepEqual([audit, fund, loglevel, rest["update-notifier"]], [false, false, "error", false]);
});

void test("compiled code is kept below the user's cache or where a variable says; without a home there is none", () => {
  const kept = (env: Record<string, string>) => {
    const args = ["--print", "process.env.NODE_COMPILE_CACHE ?? 'none'"];
    const all = { PATH: process.env["PATH"], ...env };
    return spawnSync(join(root, "bin/node.sh"), args, { encoding: "utf8", env: all }).stdout.trim();
  };
  const below = join(scratch, "capi-mgmt/node-compile");
  assert.equal(kept({ HOME: scratch }), join(scratch, ".cache/capi-mgmt/node-compile"));
  assert.equal(kept({ HOME: "/nonexistent", XDG_CACHE_HOME: scratch }), below);
  assert.equal(kept({ HOME: scratch, NODE_COMPILE_CACHE: below }), below);
  assert.equal(kept({}), "none");
});

void test("every command, and npm's scripts for operators, say that npm ci comes first", () => {
  const bare = join(scratch, "bare");
  mkdirSync(bare);
  cpSync(join(root, "bin"), join(bare, "bin"), { recursive: true });
  const commands = readdirSync(join(bare, "bin")).filter((name) => !name.includes("."));
  const entries: [name: string, command: string[]][] = [
    ...commands.map((name): [string, string[]] => [name, [join(bare, "bin", name)]]),
    ...["config", "plan", "lab", "test", "test:lab"].map((name): [string, string[]] => [
      name,
      (scripts[name] ?? "").split(" "),
    ]),
  ];
  for (const [name, [program = "", ...args]] of entries) {
    const { status, stdout, stderr } = spawnSync(program, args, { cwd: bare, encoding: "utf8" });
    assert.equal(status, 1, name);
    assert.match(stdout + stderr, /^[a-z-]+: run npm ci in \S+ first\n$/, name);
  }
});

void test("bin/, the program and the pipeline's jobs import nothing that npm ci --omit=dev leaves out", () => {
  const seen = new Set<string>();
  const packages = new Map<string, string>();
  const follow = (file: string) => {
    if (seen.has(file)) return;
    seen.add(file);
    const text = readFileSync(file, "utf8");
    for (const [, name = ""] of text.matchAll(/(?:\bfrom |^import |\bimport\()"([^"]+)"/gm)) {
      if (name.startsWith(".")) follow(join(dirname(file), name));
      else if (!name.startsWith("node:")) packages.set(packageOf(name), relative(root, file));
    }
  };
  for (const file of globSync(["bin/*.{ts,js}", "index.ts", "ci/*.ts", "policy/*.ts"], { cwd: root }))
    follow(join(root, file));
  assert.ok(seen.size > 50 && packages.size > 5, "the imports were found");
  assert.deepEqual(
    [...packages].filter(([name]) => dependencies[name] === undefined),
    [],
  );
});

/** The package that an import names: `@scope/name/path` is of `@scope/name`. */
const packageOf = (name: string) =>
  name
    .split("/")
    .slice(0, name.startsWith("@") ? 2 : 1)
    .join("/");
