/**
 * Reads copies of kubeconfigs anew in time: a merge request that raises `kubeconfigs.rotation` of a site whose copies end
 * soon. The program itself never looks at the day, so that a preview is the same tomorrow.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseDocument } from "yaml";
import { inspectStack } from "../config/program.ts";
import { NAMESPACE, stackFileName } from "../config/stackFile.ts";
import { endingSoon } from "../lib/kubeconfig.ts";
import type { Change } from "./changes.ts";
import { type JobContext, requireVariables } from "./job.ts";

/** Stack outputs that are copies of kubeconfigs. */
const COPIES = ["k3sKubeconfig", "haKubeconfig"];
/** Names of the resources that read them end so. */
const READER = /-kubeconfig$/;

/** The copies that end soon, as `<output> ends on <day>`. */
export function endingKubeconfigs(outputs: Readonly<Record<string, unknown>>, now: Date): string[] {
  return COPIES.flatMap((name) => {
    const copy = outputs[name];
    const end = typeof copy === "string" ? endingSoon(copy, now) : undefined;
    return end === undefined ? [] : [`${name} ends on ${end}`];
  });
}

/** Opens the merge request, unless one is open or a merged one still waits for its deployment. */
export async function proposeRotation(
  { site, gitlab, environment, root }: JobContext,
  ending: readonly string[],
  changes: readonly Change[],
): Promise<void> {
  const found = `${site}: ${ending.join(", ")}`;
  if (changes.some(({ name }) => READER.test(name))) {
    console.log(`${found}; the next deployment reads them anew`);
    return;
  }
  const { CI_DEFAULT_BRANCH, CI_JOB_URL } = requireVariables(
    ["CI_DEFAULT_BRANCH", "CI_JOB_URL"],
    environment,
  );
  const branch = `capi-mgmt/kubeconfigs-${site}`;
  if (await gitlab.hasOpenMergeRequest(branch, CI_DEFAULT_BRANCH)) {
    console.log(`${found}; its merge request is open`);
    return;
  }
  const file = stackFileName(site);
  const { values } = inspectStack(root, site);
  const { kubeconfigs } = values as { kubeconfigs: { rotation: number } };
  const text = withRotation(readFileSync(join(root, file), "utf8"), kubeconfigs.rotation + 1);
  const title = `Read the kubeconfigs of ${site} anew`;
  await gitlab.commitFiles(branch, CI_DEFAULT_BRANCH, title, { [file]: text });
  const description = [
    `Of ${site}, ${ending.join(", ")}. Raising \`kubeconfigs.rotation\` makes the next deployment read them anew.`,
    "",
    `[Job](${CI_JOB_URL})`,
  ].join("\n");
  console.log(
    `${found}; merge request: ${await gitlab.openMergeRequest(branch, CI_DEFAULT_BRANCH, title, description)}`,
  );
}

/** A stack file's text with another rotation; comments stay. */
export function withRotation(text: string, rotation: number): string {
  const document = parseDocument(text);
  document.setIn(["config", `${NAMESPACE}:kubeconfigs`, "rotation"], rotation);
  return document.toString({ lineWidth: 0 });
}
