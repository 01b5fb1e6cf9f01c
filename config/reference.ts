/**
 * The reference table of docs/configuration.md, made from the schema and from defaults.yaml with its comments, so
 * that the page cannot say anything else than the program does.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isMap, isNode, isPair, parseDocument } from "yaml";
import { configSchema } from "./schema.ts";
import { type Field, fields, legalAt } from "./schemaTree.ts";
import { formatPath } from "./tree.ts";

const BEGIN = "<!-- reference: begin (npm run config -- --write-reference) -->";
const END = "<!-- reference: end -->";

/** A default and what its comment in defaults.yaml says about its origin. */
interface Default {
  readonly value: unknown;
  readonly source: string;
}

/**
 * Every value of a YAML text with the comment on its line, by path.
 *
 * @param text of defaults.yaml
 */
export function commentedDefaults(text: string): Map<string, Default> {
  const found = new Map<string, Default>();
  const walk = (node: unknown, at: readonly string[]) => {
    if (isMap(node) && node.items.length > 0) {
      for (const pair of node.items) if (isPair(pair)) walk(pair.value, [...at, String(pair.key)]);
    } else if (isNode(node)) {
      found.set(formatPath(at), { value: node.toJSON() as unknown, source: (node.comment ?? "").trim() });
    }
  };
  const document = parseDocument(text);
  walk(document.contents, []);
  return found;
}

/** A page with the table between its markers replaced. */
export function withReference(page: string, defaults: string): string {
  const [before, rest] = page.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`the page lacks ${BEGIN} or ${END}`);
  return `${before}${BEGIN}\n\n${referenceTables(defaults)}\n${END}${after}`;
}

/** Brings the page up to date. */
export function writeReference(file: string): void {
  const defaults = readFileSync(join(import.meta.dirname, "defaults.yaml"), "utf8");
  writeFileSync(file, withReference(readFileSync(file, "utf8"), defaults));
}

function referenceTables(text: string): string {
  const defaults = commentedDefaults(text);
  const sections = Map.groupBy(fields(configSchema), ({ path }) => path[0] ?? "");
  return [...sections]
    .map(([section, list]) => {
      const rows = list.map((field) => row(field, defaults));
      return [
        `### ${section}`,
        "",
        "| setting | meaning | legal | default | source |",
        "| --- | --- | --- | --- | --- |",
        ...rows,
        "",
      ].join("\n");
    })
    .join("\n");
}

function row(field: Field, defaults: ReadonlyMap<string, Default>): string {
  const path = formatPath(field.path);
  const known = [...defaults].filter(
    ([other]) => other === path || other.startsWith(`${path}.`) || other.startsWith(`${path}["`),
  );
  const value = known.map(([other, { value }]) => shown(other.slice(path.length), value)).join(" ");
  const sources = [...new Set(known.map(([, { source }]) => source))].filter((source) => source !== "");
  const isItem = field.path.includes("[]");
  const fallback = isItem || !field.required ? "" : "**required**";
  const secret = field.meta.secret === true ? " Secret." : "";
  const cells = [
    `\`${path}\``,
    `${field.meta.description ?? ""}${secret}`,
    legalAt(
      configSchema,
      field.path.map((key) => (key === "[]" ? 0 : key)),
    ) ?? "",
    value === "" ? fallback : value,
    (sources.length > 0 ? sources : [field.meta.source ?? ""]).join("; "),
  ];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("<", "&lt;")).join(" | ")} |`;
}

function shown(key: string, value: unknown): string {
  const name = key.replace(/^\.|^\["|"\]$/g, "");
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return name === "" ? `\`${text}\`` : `\`${name}: ${text}\``;
}
