/**
 * Runs the project's GitLab pipeline on this machine with gitlab-ci-local, in a git repository of its own.
 *
 * gitlab-ci-local reads .gitlab-ci.yml as GitLab does and runs each job as a shell. `npm ci` only links the clone's
 * packages, with the lab's CLI where the package `pulumi` would have fetched it, and job `check` runs nothing: a test within the tests. Does not prove resource groups, protected variables,
 * or that a failed child pipeline fails its parent (gitlab-ci-local has none of these).
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { stringify } from "yaml";
import { findPulumi } from "../../state/findPulumi.ts";
import { project } from "./lab.ts";
import { copyProject } from "./projectCopy.ts";

const gitlabCiLocal = createRequire(import.meta.url).resolve("gitlab-ci-local/dist/index.js");
const AUTHOR = { name: "test", email: "test@example.com" };

/** What GitLab says a pipeline comes from. */
type Source = "merge_request_event" | "push" | "schedule";

/** What one pipeline came to. */
export interface PipelineRun {
  /** All that gitlab-ci-local printed. */
  readonly printed: string;
  /** Exit code by name of the job, for those that ran. */
  readonly jobs: ReadonlyMap<string, number>;
  /** Each job's log. */
  readonly logs: ReadonlyMap<string, string>;
}

/** What stands in for npm: `npm ci` links packages and commands, and the CLI. */
function npmCi(pulumi: string): string {
  const packages = join(project, "node_modules");
  return [
    "#!/bin/sh -e",
    '[ "$1" = ci ] || exit 0',
    "rm -rf node_modules",
    "mkdir -p node_modules/.bin",
    `ln -s '${packages}'/* node_modules/`,
    `ln -s '${packages}'/.bin/* node_modules/.bin/`,
    `ln -sf '${pulumi}' node_modules/.bin/pulumi`,
    "",
  ].join("\n");
}

export class CiPipeline {
  /** The working copy. */
  readonly folder: string;
  readonly #tools: string;
  readonly #environment: NodeJS.ProcessEnv;

  /**
   * @param scratch a folder that the caller removes
   * @param environment of the jobs; what is secret belongs here, for gitlab-ci-local writes variables into files
   */
  constructor(scratch: string, environment: NodeJS.ProcessEnv) {
    this.folder = join(scratch, "project");
    this.#tools = join(scratch, "bin");
    mkdirSync(this.#tools, { recursive: true });
    writeFileSync(join(this.#tools, "npm"), npmCi(findPulumi(environment["PATH"])));
    chmodSync(join(this.#tools, "npm"), 0o755);
    this.#environment = {
      ...environment,
      PATH: `${this.#tools}:${join(project, "node_modules/.bin")}:${environment["PATH"] ?? ""}`,
      ...Object.fromEntries(
        ["AUTHOR", "COMMITTER"].flatMap((who) => [
          [`GIT_${who}_NAME`, AUTHOR.name],
          [`GIT_${who}_EMAIL`, AUTHOR.email],
        ]),
      ),
    };
    copyProject(this.folder);
    this.git("init", "--quiet", "--initial-branch=main");
    this.git("remote", "add", "origin", "git@gitlab.example.com:openstack/capi-mgmt.git");
    writeFileSync(
      join(this.folder, ".git/info/exclude"),
      "node_modules\n.lab\nsites.yml\n.gitlab-ci-local*\n",
    );
    this.commit("The project as it is");
    // What gitlab-ci-local takes the default branch from.
    this.git("update-ref", "refs/remotes/origin/main", "main");
    this.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main");
  }

  /** Runs git there; returns what it printed. */
  git(...args: string[]): string {
    const done = spawnSync("git", args, { cwd: this.folder, encoding: "utf8", env: this.#environment });
    assert.equal(done.status, 0, `git ${args.join(" ")}: ${done.stderr}`);
    return done.stdout.trim();
  }

  /** Commits everything; returns the commit's id. */
  commit(message: string): string {
    this.git("add", "--all");
    this.git("commit", "--quiet", "--allow-empty", "--message", message);
    return this.git("rev-parse", "HEAD");
  }

  /**
   * Runs the pipeline of what is checked out.
   *
   * @param variables GitLab's own and the project's; none is secret
   * @param manual jobs that a person starts
   */
  async run(
    source: Source,
    variables: Readonly<Record<string, string>>,
    manual: readonly string[] = [],
  ): Promise<PipelineRun> {
    rmSync(join(this.folder, ".gitlab-ci-local"), { recursive: true, force: true });
    const printed = await this.#gitlabCiLocal(source, variables, [
      "--force-shell-executor",
      ...manual.flatMap((job) => ["--manual", job]),
    ]);
    return { printed, jobs: exitCodes(printed), logs: this.#logs() };
  }

  /** Names of the jobs that a pipeline of what is checked out would have. */
  async list(source: Source, variables: Readonly<Record<string, string>> = {}): Promise<string[]> {
    const printed = await this.#gitlabCiLocal(source, variables, ["--list-csv"]);
    const lines = printed.split("\n");
    const rows = lines.slice(lines.findIndex((line) => line.startsWith("name;")) + 1);
    return rows.filter((row) => row.includes(";")).map((row) => row.split(";")[0] ?? "");
  }

  /**
   * Holds a pipeline's text against GitLab's published schema, which gitlab-ci-local brings.
   *
   * @returns what is wrong, as it says it; undefined for nothing
   */
  async schemaProblems(text: string): Promise<string | undefined> {
    const file = "candidate.yml";
    writeFileSync(join(this.folder, file), text);
    const printed = await this.#gitlabCiLocal("merge_request_event", {}, ["--file", file, "--list-csv"]);
    rmSync(join(this.folder, file));
    if (/^name;/m.test(printed)) return undefined;
    return /Invalid \.gitlab-ci\.yml configuration![^]*?(?=\n\nFor further)/.exec(printed)?.[0] ?? printed;
  }

  async #gitlabCiLocal(
    source: Source,
    variables: Readonly<Record<string, string>>,
    args: readonly string[],
  ): Promise<string> {
    writeFileSync(join(this.folder, ".gitlab-ci-local-variables.yml"), stringify(variables));
    const overridden = ["CI_PIPELINE_SOURCE", ...Object.keys(variables)].join(",");
    const common = ["--color=false", "--ignore-predefined-vars", overridden];
    // Not spawnSync: the small GitLab lives in this process.
    const child = spawn(
      process.execPath,
      [gitlabCiLocal, ...common, "--variable", `CI_PIPELINE_SOURCE=${source}`, ...args],
      {
        cwd: this.folder,
        env: this.#environment,
        stdio: ["ignore", "pipe", "pipe"],
        timeout: 15 * 60_000,
      },
    );
    let printed = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (chunk: string) => (printed += chunk));
    await new Promise((done) => child.on("close", done));
    return printed;
  }

  #logs(): Map<string, string> {
    const folder = join(this.folder, ".gitlab-ci-local/output");
    return new Map(
      readdirSync(folder).map((file) => [
        file.replace(/\.log$/, ""),
        readFileSync(join(folder, file), "utf8"),
      ]),
    );
  }
}

/** From the lines `[run] -> deploy lab finished in 5.35 s  FAIL 1`; WARN is a failure that the job allows. */
function exitCodes(printed: string): Map<string, number> {
  const pattern = /^(?:\s*\[run\] -> )?(\S.*?)\s+finished in [\d.]+ \w+(?:\s+(?:FAIL|WARN) (\d+))?\s*$/gm;
  const ended = [...printed.matchAll(pattern)].map(
    ([, name = "", code = "0"]) => [name, Number(code)] as const,
  );
  return new Map(ended.filter(([name]) => name !== "pipeline"));
}
