/**
 * What the pulumi CLI loads (package.json: main). Plain JavaScript: a Node that cannot run index.ts gets one sentence here
 * where it would end with ERR_UNKNOWN_FILE_EXTENSION.
 */
import { readFileSync } from "node:fs";
import semver from "semver";

/** The SDK's exit code for what has been told: the CLI adds nothing. */
const TOLD = 32;

/** The program, as the SDK calls it. */
export default () => {
  const { engines } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  const { node } = process.versions;
  if (!semver.satisfies(node, engines.node)) {
    console.error(
      `this program needs Node ${engines.node}, and the first node on PATH is ${node}: call the CLI as npx pulumi, ` +
        "which takes the Node of this checkout",
    );
    process.exit(TOLD);
  }
  return import("../index.ts");
};
