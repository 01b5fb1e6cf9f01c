/**
 * The reference table of docs/configuration.md, made from the schema and from defaults.yaml with its comments, so
 * that the page cannot say anything else than the program does.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isMap, isNode, isPair, parseDocument } from "yaml";
import { AZIMUTH } from "./azimuth.ts";
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

/** docs/configuration.md with its tables replaced. */
export function withReference(page: string, defaults: string): string {
  return between(page, referenceTables(defaults));
}

/** docs/from-azimuth.md with its table replaced. */
export function withAzimuthTable(page: string): string {
  const rows = AZIMUTH.map(({ variable, settings, note }) =>
    tableRow([
      `\`${variable}\``,
      (settings ?? []).map((setting) => `\`${setting}\``).join(", ") || "none",
      note ?? "",
    ]),
  );
  return between(page, ["| azimuth | here | remark |", "| --- | --- | --- |", ...rows, ""].join("\n"));
}

/** Brings both pages up to date. */
export function writeReference(docs: string): void {
  const defaults = readFileSync(join(import.meta.dirname, "defaults.yaml"), "utf8");
  const rewrite = (file: string, change: (page: string) => string) => {
    writeFileSync(join(docs, file), change(readFileSync(join(docs, file), "utf8")));
  };
  rewrite("configuration.md", (page) => withReference(page, defaults));
  rewrite("from-azimuth.md", withAzimuthTable);
}

function between(page: string, table: string): string {
  const [before, rest] = page.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`the page lacks ${BEGIN} or ${END}`);
  return `${before}${BEGIN}\n\n${table}\n${END}${after}`;
}

function tableRow(cells: readonly string[]): string {
  // Within backticks markdown shows text as it is; outside, < would begin a tag.
  const safe = (cell: string) =>
    cell.replaceAll("|", "\\|").replace(/`[^`]*`|</g, (match) => (match === "<" ? "&lt;" : match));
  return `| ${cells.map(safe).join(" | ")} |`;
}

function referenceTables(text: string): string {
  const defaults = commentedDefaults(text);
  const sections = Map.groupBy(fields(configSchema), ({ path }) => path[0] ?? "");
  return [...sections]
    .map(([section, list]) =>
      [
        `### ${section}`,
        "",
        tableRow(["setting", "meaning", "legal", "default", "source"]),
        tableRow(["---", "---", "---", "---", "---"]),
        ...list.map((field) => fieldRow(field, defaults)),
        "",
      ].join("\n"),
    )
    .join("\n");
}

function fieldRow(field: Field, defaults: ReadonlyMap<string, Default>): string {
  const path = formatPath(field.path);
  // A map of any keys has several defaults in one row.
  const known = [...defaults].filter(
    ([other]) => other === path || other.startsWith(`${path}.`) || other.startsWith(`${path}["`),
  );
  const value = known.map(([other, { value }]) => shown(other.slice(path.length), value)).join(" ");
  const sources = [...new Set(known.map(([, { source }]) => source))].filter((source) => source !== "");
  const isRequired = field.required && !field.path.includes("[]");
  const schemaPath = field.path.map((key) => (key === "[]" ? 0 : key));
  return tableRow([
    `\`${path}\``,
    `${field.meta.description ?? ""}${field.meta.secret === true ? " Secret." : ""}`,
    legalAt(configSchema, schemaPath) ?? "",
    value === "" && isRequired ? "**required**" : value,
    (sources.length > 0 ? sources : [field.meta.source ?? ""]).join("; "),
  ]);
}

function shown(key: string, value: unknown): string {
  const name = key.replace(/^\.|^\["|"\]$/g, "");
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return name === "" ? `\`${text}\`` : `\`${name}: ${text}\``;
}
