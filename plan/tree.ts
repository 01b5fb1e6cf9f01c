/**
 * A plan as text: a tree, each resource below its parent, with what it would be given.
 */
import type { Plan, PlannedResource } from "./plan.ts";

/** Longer lines are cut; the JSON document has values whole. */
const WIDEST = 110;

/** The tree's lines, then one with the count. */
export function planTree({ stack, counts, resources }: Plan): string[] {
  const children = Map.groupBy(resources, ({ parent }) => parent);
  const count = `${stack}: ${counts.create} to create (offline: nothing was contacted)`;
  return [...branches("", children, ""), "", count];
}

function branches(
  parent: string,
  children: ReadonlyMap<string, readonly PlannedResource[]>,
  indent: string,
): string[] {
  const siblings = children.get(parent) ?? [];
  return siblings.flatMap(({ urn, type, name, inputs }, index) => {
    const last = index === siblings.length - 1;
    const nested = `${indent}${last ? "   " : "│  "}`;
    const properties = Object.entries(inputs).map(([key, value]) =>
      cut(`${nested}${children.has(urn) ? "│  " : "   "}  ${key}: ${oneLine(value)}`),
    );
    return [
      `${indent}${last ? "└─ " : "├─ "}+ ${type} ${name}`,
      ...properties,
      ...branches(urn, children, nested),
    ];
  });
}

/** As JSON, but for the marks of what is not shown. */
function oneLine(value: unknown): string {
  return JSON.stringify(value).replaceAll(/"(\[(?:secret|unknown)\])"/g, "$1");
}

function cut(line: string): string {
  return line.length <= WIDEST ? line : `${line.slice(0, WIDEST - 1)}…`;
}
