/**
 * The change of our recommended versions that newer upstream releases suggest.
 */
import { isMap, isScalar, parseDocument } from "yaml";
import type { Finding } from "./releases.ts";

/**
 * defaults.yaml with newer versions and where they come from; every other byte stays. Of a setting with a checksum
 * beside its version nothing is changed: the new one's is not known.
 *
 * @param source names the origin in the line's comment
 */
export function proposeDefaults(
  text: string,
  findings: readonly Finding[],
  source: string,
): { text: string; taken: Finding[] } {
  const taken = findings.filter(
    (finding) => finding.verdict === "newer" && place(text, finding.setting) !== undefined,
  );
  let result = text;
  for (const { setting, upstream } of taken) {
    const at = place(result, setting);
    if (at === undefined) continue;
    const end = result.indexOf("\n", at.end);
    result = `${result.slice(0, at.start)}${upstream} # ${source}${result.slice(end)}`;
  }
  return { text: result, taken };
}

/** Where a version stands in the text. */
function place(text: string, setting: string): { start: number; end: number } | undefined {
  const path = setting.split(".");
  const document = parseDocument(text);
  const parent = document.getIn(path.slice(0, -1));
  if (isMap(parent) && parent.has("sha256")) return undefined;
  const node = document.getIn(path, true);
  return isScalar(node) && node.range ? { start: node.range[0], end: node.range[1] } : undefined;
}

/** What the merge request says. */
export function describeProposal(
  findings: readonly Finding[],
  taken: readonly Finding[],
  jobUrl: string,
): string {
  const refused = findings.filter(({ verdict }) => verdict === "refused");
  const left = findings.filter((finding) => finding.verdict === "newer" && !taken.includes(finding));
  return [
    "Newer releases that upstream tested together and our version table allows:",
    "",
    ...taken.map(({ component, ours, upstream }) => `- ${component} ${ours} → ${upstream}`),
    ...(left.length === 0 ? [] : ["", "To be taken by hand, with their checksums:", ""]),
    ...left.map(
      ({ component, setting, ours, upstream }) => `- ${component} ${ours} → ${upstream} (\`${setting}\`)`,
    ),
    ...(refused.length === 0 ? [] : ["", "Newer, and not allowed yet (config/versions.ts):", ""]),
    ...refused.map(
      ({ component, ours, upstream, problems }) =>
        `- ${component} ${ours} → ${upstream}: ${problems.join("; ")}`,
    ),
    "",
    `Sites that pin a version of their own do not follow. docs/cluster-templates.md says how tenants' templates do. [Job](${jobUrl})`,
  ].join("\n");
}
