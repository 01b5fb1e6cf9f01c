/**
 * `npm run lint`: the languages that eslint does not read. Shell by shellcheck, Python by ruff, Go by gofmt (go vet runs
 * with `npm run test:go`: over Kubernetes' packages it would compile Kubernetes).
 *
 * shellcheck and ruff come as wheels into the user's cache, once; no root is needed. Without Go on the PATH gofmt is left
 * out, and that is said: an operator's pipeline has no Go, and changes none.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { ensurePart } from "../lab/prepare/cache.ts";
import { EXIT } from "../lib/command-error.ts";

const root = join(import.meta.dirname, "..");
const requirements = join(import.meta.dirname, "lint-requirements.txt");

/** Folder with the linters' programs, in the cache under the hash of their versions. */
async function linters(): Promise<string> {
  const part = await ensurePart(
    {
      name: "linters",
      key: readFileSync(requirements, "utf8"),
      files: ["bin/ruff", "bin/shellcheck"],
      fresh: true,
      build: async (folder, note) => {
        note("ruff and shellcheck into the cache");
        await execa("python3", ["-m", "venv", folder]);
        await execa(join(folder, "bin/pip"), ["install", "--quiet", "--requirement", requirements]);
      },
    },
    (text) => console.error(`lint: ${text}`),
  );
  return join(part, "bin");
}

/** Files of the repository, of which those that git ignores are none. */
async function filesOf(...patterns: string[]): Promise<string[]> {
  const args = ["ls-files", "--cached", "--others", "--exclude-standard", ...patterns];
  const { stdout } = await execa("git", args, { cwd: root });
  return stdout.split("\n").filter((file) => file !== "");
}

async function shellFiles(): Promise<string[]> {
  const commands = (await filesOf("bin", ".ci")).filter((file) => !/\.[a-z]+$/.test(file));
  const isShell = (file: string) => /^#!.*\b(ba)?sh\n/.test(readFileSync(join(root, file), "utf8"));
  return [...(await filesOf("*.sh")), ...commands.filter(isShell)];
}

/** Runs a linter; false if it found something or could not run. */
async function lint(program: string, args: readonly string[]): Promise<boolean> {
  const result = await execa(program, args, { cwd: root, reject: false, all: true });
  if (result.all !== "") console.error(result.all);
  else if (result.failed) console.error(result.shortMessage);
  return !result.failed;
}

/** gofmt answers 0 even if it lists files. */
async function goFormat(): Promise<boolean> {
  const { stdout, stderr, failed, code } = await execa("gofmt", ["-l", ...(await filesOf("*.go"))], {
    cwd: root,
    reject: false,
  });
  if (code === "ENOENT") {
    console.error("lint: no Go on the PATH: gofmt is left out");
    return true;
  }
  if (stdout !== "") console.error(`not as gofmt formats:\n${stdout}`);
  if (failed) console.error(stderr);
  return stdout === "" && !failed;
}

const bin = await linters().catch((error: unknown) => {
  console.error(
    `lint: shellcheck and ruff cannot be installed (python3 with venv is needed): ${String(error)}`,
  );
  return process.exit(EXIT.failed);
});
const results = await Promise.all([
  lint(join(bin, "shellcheck"), await shellFiles()),
  lint(join(bin, "ruff"), ["check", "--quiet", "."]),
  lint(join(bin, "ruff"), ["format", "--quiet", "--check", "lab", "kayobe"]),
  goFormat(),
]);
if (results.includes(false)) process.exitCode = EXIT.failed;
