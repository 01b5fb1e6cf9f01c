/**
 * The seed's further tools, installed and removed by the real script from a stand-in for curl. That releases are laid out
 * so upstream is shown by the release checks.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { moreToolsScript, TOOL_SOURCES, type ToolName } from "../../lib/more-tools.ts";
import { problemsOf } from "../config/support.ts";
import { CURL, downloads, serve } from "../support/served.ts";
import { runShell, temporaryFolder } from "../support/shell.ts";
import { configOf } from "../support/siteConfig.ts";

const PROGRAM = (name: string) => `#!/bin/sh\necho ${name}\n`;
const { tools } = configOf({});
const NAMES = Object.keys(TOOL_SOURCES) as ToolName[];

function seed(context: TestContext) {
  const folder = temporaryFolder(context);
  const sums = new Map<string, string>();
  const source = (name: ToolName) => {
    const { url, sums: list, member } = TOOL_SOURCES[name](tools[name].version);
    const of = (text: string) => text.replaceAll("ARCH", "arm64");
    return { url: of(url), list: list === undefined ? "-" : of(list), member: member ?? "-" };
  };
  for (const name of NAMES) {
    const { url, list, member } = source(name);
    mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, name, name), PROGRAM(name));
    const archive = () => execFileSync("tar", ["-cz", "-C", join(folder, name), name]);
    const sum = serve(folder, url, member === "-" ? PROGRAM(name) : archive());
    sums.set(name, sum);
    if (list !== "-") serve(folder, list, `${sum}  ${url.slice(url.lastIndexOf("/") + 1)}\n`);
  }
  const run = (
    names: readonly ToolName[],
    action = "on_create",
    pinned: (name: ToolName) => string = () => "-",
  ) =>
    runShell(folder, {
      files: ["more-tools"],
      variables: {
        TOOLS: names,
        TOOL_URLS: names.map((name) => TOOL_SOURCES[name](tools[name].version).url),
        TOOL_SUMS: names.map(pinned),
        TOOL_SUM_FILES: names.map((name) => source(name).list),
        TOOL_MEMBERS: names.map((name) => source(name).member),
      },
      programs: { curl: CURL, uname: "echo aarch64" },
      instead: ["/usr/local/"],
      run: action,
    });
  const installed = (name: string) => join(folder, "usr/local/bin", name);
  return { sums, run, installed, source };
}

test("each is downloaded, held against the release's sums or the pinned one, and can be run by everybody", (context) => {
  const { run, installed, sums } = seed(context);
  const { code, stderr } = run(NAMES, "on_create", (name) =>
    name === "clusterctl" ? (sums.get(name) ?? "") : "-",
  );
  assert.equal(code, 0, stderr);
  for (const name of NAMES) {
    assert.equal(execFileSync(installed(name), { encoding: "utf8" }), `${name}\n`);
    assert.equal(statSync(installed(name)).mode & 0o777, 0o755, name);
  }
});

test("with pinned sums nothing else is downloaded, a second time nothing at all, and what was exchanged is put right", (context) => {
  const { run, installed, sums, source } = seed(context);
  const install = () => run(["crictl", "k9s"], "on_create", (name) => sums.get(name) ?? "");
  assert.deepEqual(downloads(install().calls), [source("crictl").url, source("k9s").url]);
  assert.deepEqual(downloads(install().calls), []);
  writeFileSync(installed("k9s"), PROGRAM("another"));
  assert.deepEqual(downloads(install().calls), [source("k9s").url]);
});

test("one that is taken out of the list is removed, and all of them with the resource, but nothing else", (context) => {
  const { run, installed } = seed(context);
  run(["crictl", "k9s"]);
  writeFileSync(installed("kubectl"), PROGRAM("kubectl"));
  assert.equal(run(["k9s"], "on_update").code, 0);
  assert.deepEqual([existsSync(installed("crictl")), existsSync(installed("k9s"))], [false, true]);
  assert.equal(run(["k9s"], "on_delete").code, 0);
  assert.deepEqual([existsSync(installed("k9s")), existsSync(installed("kubectl"))], [false, true]);
});

test("one that differs from its sum is refused and not installed", (context) => {
  const { run, installed, sums, source } = seed(context);
  const other = "0".repeat(64);
  const { code, stderr } = run(["kustomize"], "on_create", () => other);
  assert.equal(code, 70);
  assert.ok(
    stderr.includes(`${source("kustomize").url}: SHA-256 is ${sums.get("kustomize")}, expected ${other}`),
  );
  assert.ok(!existsSync(installed("kustomize")));
});

test("the script names each asked for once, from the mirror where one is set", () => {
  const text = moreToolsScript({
    tools: { ...tools, install: ["kustomize", "crictl", "crictl"] },
    mirrorUrl: "https://mirror.example.org",
  });
  assert.match(text, /^TOOLS=\('crictl' 'kustomize'\)$/m);
  assert.match(
    text,
    /^TOOL_URLS=\('https:\/\/mirror\.example\.org\/github\.com\/kubernetes-sigs\/cri-tools\//m,
  );
});

test("clusterctl wants its sum, and only known tools are installed", () => {
  assert.deepEqual(problemsOf({ tools: { install: ["clusterctl"] } }), [
    "tools.clusterctl.sha256: is required with clusterctl in tools.install: the release has no checksum file (got nothing; legal 64 hexadecimal digits)",
  ]);
  assert.deepEqual(problemsOf({ tools: { install: ["flux"] } }), [
    'tools.install[0]: is not valid (got "flux"; legal k9s, kustomize, clusterctl, crictl)',
  ]);
});
