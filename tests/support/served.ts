/**
 * Files that a stand-in for curl serves: what a release's host or a mirror would.
 */
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Body of a curl for runShell that serves what serve() put there, and fails as curl does for what is not there. */
export const CURL = `
url="\${@: -1}"
while [[ $1 != --output ]]; do shift; done
cp "$HOME/served/\${url#https://}" "$2" 2> /dev/null || exit 22`;

/** Serves content at an https address, in a run's folder; answers its SHA-256. */
export function serve(folder: string, url: string, content: string | Buffer): string {
  const file = join(folder, "served", url.replace("https://", ""));
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  return createHash("sha256").update(content).digest("hex");
}

/** Addresses that curl was asked for, in order. */
export function downloads(calls: readonly string[]): string[] {
  return calls.filter((call) => call.startsWith("curl ")).map((call) => call.split(" ").at(-1) ?? "");
}
