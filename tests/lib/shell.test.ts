import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { imageDownloadScript } from "../../lib/image-download.ts";
import { assignment, firstScript, quote, script } from "../../lib/shell.ts";
import { runShell, temporaryFolder } from "../support/shell.ts";

const FOLDER = join(import.meta.dirname, "../../lib/scripts");

test("every script file parses", () => {
  for (const file of readdirSync(FOLDER)) {
    const result = spawnSync("bash", ["-n", join(FOLDER, file)], { encoding: "utf8" });
    assert.equal(result.status, 0, `${file}: ${result.stderr}`);
  }
});

test("bash reads a quoted word back as it was", () => {
  // NUL cannot be in a shell word; a lone surrogate is no UTF-8.
  const words = fc.array(
    fc.string({ unit: "grapheme" }).filter((word) => !word.includes("\0")),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(words, (list) => {
      // With a socket as standard input bash takes itself for a remote shell, and would read the user's .bashrc.
      const code = `printf '%s\\0' ${list.map(quote).join(" ")} end`;
      const result = spawnSync("bash", ["--norc", "-c", code], { encoding: "utf8" });
      assert.deepEqual(result.stdout.split("\0"), [...list, "end", ""]);
    }),
    { numRuns: 60 },
  );
});

test("a variable can only have a variable's name", () => {
  assert.throws(() => assignment("A;rm", "x"), { message: '"A;rm" is not a variable\'s name' });
  assert.equal(assignment("LIST", ["a b", "it's"]), String.raw`LIST=('a b' 'it'\''s')`);
  assert.equal(assignment("FLAG", true), "FLAG='true'");
});

/** Runs scripts as the seed would, with the library in `folder`. */
function onSeed(folder: string) {
  return (text: string, action: string) => {
    const input = text.replaceAll("/usr/local/lib/capi-mgmt", join(folder, "lib"));
    const { stdout, stderr, status } = spawnSync("bash", ["-s", "--", action], { input, encoding: "utf8" });
    return { stdout, stderr, status };
  };
}

test("the first script leaves the library on the seed, and without it another says what to do", (context) => {
  const folder = temporaryFolder(context);
  const run = onSeed(folder);
  const other = script(["seed-ready"], {}).replace('"on_$1"', "say found");
  const lost = run(other, "create");
  assert.equal(lost.status, 70);
  assert.match(lost.stderr, /error: no library: replace seed-ready\n$/);
  const first = firstScript(["seed-ready"], { SEED_USER: "it's" }).replace(
    '"on_$1"',
    'say "first $SEED_USER"',
  );
  assert.deepEqual(run(first, "create"), { stdout: "", stderr: "first it's\n", status: 0 });
  assert.deepEqual(run(other, "create"), { stdout: "", stderr: "found\n", status: 0 });
  assert.equal(readdirSync(join(folder, "lib")).length, 1);
});

test("a script arrives whole although its commands read standard input, and ends with its action's code", (context) => {
  const run = onSeed(temporaryFolder(context));
  const text = firstScript(["seed-ready"], {}).replace('"on_$1"', 'cat; echo "after $1"; false');
  const result = run(text, "create");
  assert.equal(result.stdout, "after create\n");
  assert.equal(result.status, 1);
});

test("update does what create does, delete nothing, where a script says no more", (context) => {
  const run = onSeed(temporaryFolder(context));
  const text = firstScript(["tools"], {}).replace(
    "install_kubectl() {",
    "install_kubectl() { echo ran; exit 0;",
  );
  assert.equal(run(text, "update").stdout, "ran\n");
  assert.deepEqual([run(text, "delete").stdout, run(text, "delete").status], ["", 0]);
});

test("write_file replaces a file only if it differs, and says whether it did", (context) => {
  const folder = temporaryFolder(context);
  const run = runShell(folder, {
    files: [],
    run: `
      for word in one one two; do
        if write_file "$FOLDER/a/file" 0600 <<< "$word"; then echo changed; else echo same; fi
      done
      cat "$FOLDER/a/file"; stat -c %a "$FOLDER/a/file"; ls "$FOLDER/a"`,
  });
  assert.equal(run.stdout, "changed\nsame\nchanged\ntwo\n600\nfile\n");
});

test("fetch_verified keeps nothing that differs from its checksum and downloads nothing twice", (context) => {
  const folder = temporaryFolder(context);
  const sum = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
  const programs = {
    curl: 'while [[ $1 != --output ]]; do shift; done; printf "$(cat "$HOME/served")" > "$2"',
  };
  const good = runShell(folder, {
    files: [],
    programs,
    run: `printf hello > "$HOME/served"; fetch_verified https://x/y ${sum} "$FOLDER/out/y"; fetch_verified https://x/y ${sum} "$FOLDER/out/y"; cat "$FOLDER/out/y"`,
  });
  assert.deepEqual([good.code, good.stdout, good.calls.length], [0, "hello", 1]);
  const bad = runShell(folder, {
    files: [],
    programs,
    run: `printf other > "$HOME/served"; fetch_verified https://x/z ${sum} "$FOLDER/out/z"`,
  });
  assert.equal(bad.code, 70);
  assert.match(bad.stderr, /^error: https:\/\/x\/z: SHA-256 is d9298a10\w+, expected 2cf24dba/);
  assert.deepEqual(readdirSync(join(folder, "out")), ["y"]);
});

test("a download asks again while the network comes up, and takes no error page for a file", (context) => {
  const download = (programs: Record<string, string>, variables = {}) =>
    runShell(temporaryFolder(context), {
      files: [],
      variables,
      programs,
      instead: ["/etc/capi-mgmt"],
      run: 'fetch https://x/y "$FOLDER/y"; cat "$FOLDER/etc/capi-mgmt/mirror-ca.pem" 2> /dev/null || true',
    });
  const plain = download({ curl: "" });
  for (const option of ["--fail", "--location", "--retry", "--retry-connrefused", "--connect-timeout"])
    assert.ok(plain.calls[0]?.split(" ").includes(option), option);
  assert.doesNotMatch(plain.calls[0] ?? "", /--cacert|--insecure/);
  const own = download({ curl: "" }, { MIRROR_CA: "PEM" });
  assert.match(own.calls[0] ?? "", / --cacert \S+\/etc\/capi-mgmt\/mirror-ca\.pem /);
  assert.equal(own.stdout, "PEM\n");
  const failed = download({ curl: "exit 22" });
  assert.deepEqual([failed.code, failed.stderr], [70, "error: could not download https://x/y\n"]);
});

test("expected_sum reads both forms of checksum files, and prefers a pinned one", (context) => {
  const folder = temporaryFolder(context);
  const a = "a".repeat(64);
  const b = "b".repeat(64);
  const run = runShell(folder, {
    files: [],
    programs: { curl: 'while [[ $1 != --output ]]; do shift; done; cp "$HOME/sums" "$2"' },
    run: `
      printf '${a}  k3s-airgap.tar\\n${b}  k3s\\n' > "$HOME/sums"; expected_sum '' https://x k3s
      printf '${a}' > "$HOME/sums"; expected_sum '' https://x kubectl
      expected_sum '${"C".repeat(64)}' https://x k3s
      printf '${a}  other\\n' > "$HOME/sums"; expected_sum '' https://x k3s`,
  });
  assert.equal(run.stdout, `${b}\n${a}\n${"c".repeat(64)}\n`);
  assert.equal(run.stderr, "error: https://x has no SHA-256 of k3s\n");
  assert.equal(run.code, 70);
});

test("an image that differs from its publisher's checksum is refused and not kept", (context) => {
  const folder = temporaryFolder(context);
  const source = join(folder, "image");
  spawnSync("bash", ["--norc", "-c", `printf hello > ${source}`]);
  const sum = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
  const run = (checksum: string) =>
    spawnSync("bash", ["-s"], {
      input: imageDownloadScript(`file://${source}`, checksum),
      encoding: "utf8",
      env: { PATH: process.env["PATH"] },
    });
  const good = run(`sha256:${sum}`);
  // The same on every runner: the path is in the stack's state.
  const kept = join("/var/tmp/capi-mgmt-images", sum);
  context.after(() => rmSync(kept, { force: true }));
  assert.equal(good.stdout, `${kept}\n`);
  assert.equal(readFileSync(kept, "utf8"), "hello");
  const bad = run(`sha512:${"0".repeat(128)}`);
  assert.equal(bad.status, 1);
  assert.match(bad.stderr, /^error: file:\S+ has checksum 9b71d224\w+, expected 0{128}\n$/);
  assert.ok(!readdirSync("/var/tmp/capi-mgmt-images").some((name) => name.startsWith("0".repeat(64))));
});
