/**
 * Keeps a job's own secrets out of what it writes for people: GitLab masks variables in logs, but not in notes.
 */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { Redactor } from "../lib/redact.ts";

const VARIABLES = [
  "CAPI_MGMT_GITLAB_TOKEN",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "PULUMI_CONFIG_PASSPHRASE",
  "PULUMI_ACCESS_TOKEN",
  "CI_JOB_TOKEN",
];
/** Keys of clouds.yaml whose values are secret. */
const SECRET_KEY = /secret|password|token/;

/** The text with every secret of the job's environment replaced: its variables, its passphrase, its clouds.yaml. */
export function withoutSecrets(text: string, environment: NodeJS.ProcessEnv = process.env): string {
  const redactor = new Redactor();
  for (const name of VARIABLES) redactor.add(environment[name] ?? "");
  const passphrase = read(environment["PULUMI_CONFIG_PASSPHRASE_FILE"]);
  redactor.add(passphrase.trim(), ...cloudSecrets(read(environment["OS_CLIENT_CONFIG_FILE"])));
  return redactor.clean(text);
}

/** A file that is not there holds no secret; whoever needs it says that it is missing. */
function read(path: string | undefined): string {
  try {
    return path === undefined ? "" : readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function cloudSecrets(clouds: string): string[] {
  const found: string[] = [];
  const look = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if (SECRET_KEY.test(key) && (typeof inner === "string" || typeof inner === "number"))
        found.push(String(inner));
      else look(inner);
    }
  };
  try {
    look(parse(clouds));
  } catch {
    // Not YAML: the client refuses it, and says so without its text.
  }
  return found;
}
