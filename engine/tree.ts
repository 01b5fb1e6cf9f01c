/**
 * A plan as a tree: each resource below its parent, with what it would be given.
 */
import { WORDING } from "./display.ts";
import type { ReportedResource, Summary } from "./report.ts";
import type { Shown } from "./show.ts";

const WIDEST = 110;

/** The tree's lines, then one with the counts. */
export function planTree(summary: Summary): string[] {
  const children = new Map<string, ReportedResource[]>();
  const urns = new Set(summary.resources.map(({ urn }) => urn));
  for (const resource of summary.resources) {
    const parent = urns.has(resource.parent) ? resource.parent : "";
    children.set(parent, [...(children.get(parent) ?? []), resource]);
  }
  const lines = branches("", children, "");
  const counts = Object.entries(summary.counts).map(([operation, count]) => `${count} to ${operation}`);
  return [...lines, "", `${summary.stack}: ${counts.join(", ")} (offline: nothing was contacted)`];
}

function branches(parent: string, children: Map<string, ReportedResource[]>, indent: string): string[] {
  const list = children.get(parent) ?? [];
  return list.flatMap((resource, index) => {
    const last = index === list.length - 1;
    const nested = `${indent}${last ? "   " : "│  "}`;
    const hasChildren = (children.get(resource.urn) ?? []).length > 0;
    const properties = Object.entries(resource.inputs).map(([name, value]) =>
      cut(`${nested}${hasChildren ? "│  " : "   "}  ${name}: ${oneLine(value)}`),
    );
    const sign = WORDING[resource.op].sign;
    return [
      `${indent}${last ? "└─ " : "├─ "}${sign} ${resource.type} ${resource.name}`,
      ...properties,
      ...branches(resource.urn, children, nested),
    ];
  });
}

function oneLine(value: Shown): string {
  return value === "[unknown]" || value === "[secret]"
    ? value
    : JSON.stringify(value).replaceAll(/"(\[(?:secret|unknown)\])"/g, "$1");
}

function cut(line: string): string {
  return line.length <= WIDEST ? line : `${line.slice(0, WIDEST - 1)}…`;
}
