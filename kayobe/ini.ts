/**
 * Setting options in an oslo.config file as a person would: one line changes, everything else stays byte for byte.
 * Read like oslo.config's iniparser: a line that begins with white space continues the option above it, and of an
 * option that is given twice the last one counts.
 */

/** Section to option to value. */
export type Settings = Readonly<Record<string, Readonly<Record<string, string>>>>;

export interface Change {
  readonly section: string;
  readonly option: string;
  /** Undefined where the option was not set. */
  readonly from: string | undefined;
  readonly to: string;
}

interface Place {
  /** Line of the option, and the one after its last continuation. */
  readonly from: number;
  readonly to: number;
  readonly value: string;
}

/** The value of an option, its lines joined; undefined where it is not set. */
export function iniValue(text: string, section: string, option: string): string | undefined {
  return find(split(text), section, option)?.value;
}

/** Sets options; those that have the value already are left alone, and with nothing to change the text is the same. */
export function setIni(text: string, settings: Settings): { text: string; changes: Change[] } {
  const lines = split(text);
  const changes: Change[] = [];
  for (const [section, options] of Object.entries(settings)) {
    for (const [option, to] of Object.entries(options)) {
      const place = find(lines, section, option);
      if (place?.value === to) continue;
      changes.push({ section, option, from: place?.value, to });
      if (place === undefined) insert(lines, section, `${option} = ${to}`);
      else lines.splice(place.from, place.to - place.from, `${option} = ${to}`);
    }
  }
  return { text: changes.length === 0 ? text : `${lines.join("\n")}\n`, changes };
}

function split(text: string): string[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

const header = (line: string) => /^\[([^\]]+)\]/.exec(line)?.[1];

/** First line after the header of each part of a section (one may be written in parts), and the line after its last. */
function ranges(lines: readonly string[], section: string): { from: number; to: number }[] {
  const found = [];
  for (let at = 0; at < lines.length; at += 1) {
    if (header(lines[at] ?? "") !== section) continue;
    let to = at + 1;
    while (to < lines.length && header(lines[to] ?? "") === undefined) to += 1;
    found.push({ from: at + 1, to });
  }
  return found;
}

function find(lines: readonly string[], section: string, option: string): Place | undefined {
  let last: Place | undefined;
  for (const range of ranges(lines, section)) {
    for (let at = range.from; at < range.to; at += 1) {
      const match = /^([^\s#;=:][^=:]*?)\s*[=:](.*)$/.exec(lines[at] ?? "");
      if (match?.[1] !== option) continue;
      let to = at + 1;
      while (to < range.to && /^\s+\S/.test(lines[to] ?? "")) to += 1;
      const more = lines.slice(at + 1, to).map((line) => line.trim());
      last = { from: at, to, value: [(match[2] ?? "").trim(), ...more].join("\n").trim() };
    }
  }
  return last;
}

function insert(lines: string[], section: string, line: string): void {
  const range = ranges(lines, section)[0];
  if (range === undefined) {
    if (lines.length > 0 && lines.at(-1) !== "") lines.push("");
    lines.push(`[${section}]`, line);
    return;
  }
  // Behind the section's last line that says something: blank lines before the next header belong to that.
  let at = range.to;
  while (at > range.from && (lines[at - 1] ?? "").trim() === "") at -= 1;
  lines.splice(at, 0, line);
}
