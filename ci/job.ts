/**
 * What the pipeline's jobs share: the variables GitLab gives them, and the verdicts of preflight and policy.
 */
import { join } from "node:path";
import { execa } from "execa";
import { EXIT } from "../lib/command-error.ts";
import { GitLab } from "./gitlab.ts";
import type { Verdict } from "./note.ts";
import { withoutSecrets } from "./secrets.ts";
import type { Engine } from "./site.ts";

const root = join(import.meta.dirname, "..");

/**
 * The value of a variable that GitLab or the project's settings must give.
 *
 * @throws Error naming every variable that is missing, at once.
 */
export function requireVariables<const Names extends readonly string[]>(
  names: Names,
  environment: NodeJS.ProcessEnv = process.env,
): Record<Names[number], string> {
  const missing = names.filter((name) => (environment[name] ?? "") === "");
  if (missing.length > 0) {
    throw new Error(
      `not set: ${missing.join(", ")} (CI_… are GitLab's own; CAPI_MGMT_GITLAB_TOKEN is a project access token with scope api, see docs/pipeline.md)`,
    );
  }
  return Object.fromEntries(names.map((name) => [name, environment[name] ?? ""])) as Record<
    Names[number],
    string
  >;
}

/** GitLab as the job's variables name it. */
export function gitlabOfJob(environment: NodeJS.ProcessEnv = process.env): GitLab {
  const names = ["CI_API_V4_URL", "CI_PROJECT_ID", "CAPI_MGMT_GITLAB_TOKEN"] as const;
  const variables = requireVariables(names, environment);
  return new GitLab({
    apiUrl: variables.CI_API_V4_URL,
    project: variables.CI_PROJECT_ID,
    token: variables.CAPI_MGMT_GITLAB_TOKEN,
  });
}

/** What is asked of a site beside its preview; the real ones are `verdicts`. */
export interface Verdicts {
  policy(site: string): Promise<Verdict>;
  preflight(site: string): Promise<Verdict>;
}

/** What a job of one site works with. */
export interface JobContext {
  /** Name of the stack. */
  readonly site: string;
  readonly engine: Engine;
  readonly gitlab: GitLab;
  /** Asks policy and preflight. */
  readonly verdicts: Verdicts;
  readonly environment: NodeJS.ProcessEnv;
  /** The checkout. */
  readonly root: string;
}

/** Runs the job that this process was started for; sets its exit code. */
export async function runJob(name: string, job: (context: JobContext) => Promise<number>): Promise<void> {
  const [site, ...rest] = process.argv.slice(2);
  if (site === undefined || rest.length > 0 || !/^[A-Za-z0-9_.-]+$/.test(site)) {
    console.error(`usage: node ci/${name}.ts SITE`);
    process.exitCode = EXIT.usage;
    return;
  }
  const environment = process.env;
  try {
    const gitlab = gitlabOfJob(environment);
    // Only now: it brings Pulumi's SDK, which wrong usage and other jobs can do without.
    const { engine } = await import("./site.ts");
    process.exitCode = await job({ site, engine, gitlab, verdicts, environment, root });
  } catch (error) {
    console.error(withoutSecrets(`${name} of ${site}: ${(error as Error).message}`));
    process.exitCode = EXIT.failed;
  }
}

/** Runs a program of bin/ and gives what it printed on standard output; its standard error is shown. */
export async function runBin(name: string, ...args: string[]): Promise<{ exitCode: number; stdout: string }> {
  const program = ["--no-warnings", join(root, "bin", `${name}.ts`), ...args];
  const { exitCode, stdout } = await execa(process.execPath, program, {
    ...{ cwd: root, stdin: "ignore", stderr: "inherit", reject: false },
  });
  return { exitCode: exitCode ?? 1, stdout };
}

/** Runs preflight for a site; a run that gives no verdict is a failure, never a pass. */
async function preflightVerdict(site: string): Promise<Verdict> {
  const result = await runBin("preflight", site, "--json");
  return readVerdict(result.stdout, "preflight", (checks) =>
    checks
      .filter((check) => check["verdict"] !== "pass")
      .map(
        (check) =>
          `${text(check["id"])}: want ${text(check["want"])}, have ${text(check["have"])}. ${text(check["hint"])}`,
      ),
  );
}

/** Judges the site's offline plan by the policy rules. */
async function policyVerdict(site: string): Promise<Verdict> {
  const result = await runBin("policy", site, "--json");
  return readVerdict(result.stdout, "policy", policyLines);
}

const verdicts: Verdicts = { policy: policyVerdict, preflight: preflightVerdict };

type Item = Record<string, unknown>;

/** A line a finding; those of one exemption share a line, with its reason and its last day. */
export function policyLines(findings: readonly Item[]): string[] {
  const lines: string[] = [];
  const exempted = new Map<string, number>();
  for (const finding of findings) {
    const rule = `${text(finding["severity"])} ${text(finding["rule"])}`;
    const note = finding["note"] === undefined ? "" : text(finding["note"]);
    if (finding["severity"] === "exempted") {
      const exemption = `${rule} ${note}`;
      exempted.set(exemption, (exempted.get(exemption) ?? 0) + 1);
    } else {
      const more = note === "" ? "" : ` (${note})`;
      lines.push(`${rule}: ${text(finding["subject"])}: ${text(finding["message"])}${more}`);
    }
  }
  const shared = [...exempted].map(
    ([exemption, count]) => `${exemption} (${count} ${count === 1 ? "finding" : "findings"})`,
  );
  return [...lines, ...shared];
}

/** Reads `{verdict, checks | findings}`. */
function readVerdict(json: string, what: string, lines: (items: readonly Item[]) => string[]): Verdict {
  try {
    const report = JSON.parse(json) as { verdict?: unknown; checks?: unknown; findings?: unknown };
    const items = (report.checks ?? report.findings ?? []) as Item[];
    const { verdict } = report;
    if (verdict !== "pass" && verdict !== "warn" && verdict !== "fail") throw new Error("no verdict");
    return { verdict, findings: lines(items) };
  } catch {
    return { verdict: "fail", findings: [`${what} gave no verdict: see the job's log`] };
  }
}

function text(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value ?? "");
}
