/**
 * Where downloads come from, and where the state goes.
 */
import { type Check, fail, pass, unknown, warn } from "../check.ts";
import type { Facts } from "../facts.ts";

export function downloads({ downloads: all }: Facts): Check[] {
  return [...all].map(([name, { url, answer }]) => {
    const id = `download.${name}`;
    const hint = `${url}: check mirror.url, and that this machine and the seed may reach it`;
    if ("error" in answer) return unknown(id, "reachable", answer.error, hint);
    const { status, length } = answer.value;
    if (status >= 400) {
      const wrong = `${url}: the version or the mirror's layout is wrong`;
      return fail(id, "HTTP 200", `HTTP ${status}`, status === 404 ? wrong : hint);
    }
    if (length === 0) return fail(id, "some content", "an empty file", hint);
    return pass(id, "reachable", length === undefined ? `HTTP ${status}` : `${length} bytes`);
  });
}

export function state({ state: fact }: Facts): Check[] {
  if (fact === undefined)
    return [
      warn(
        "state.backend",
        "an S3 backend",
        "none in PULUMI_BACKEND_URL",
        "state on one machine's disk is lost with it: see docs/state.md",
      ),
    ];
  const hint = "bin/bootstrap-state makes and checks the bucket";
  if ("error" in fact) return [unknown("state.reachable", "reachable", fact.error, hint)];
  const { versioning, public: open } = fact.value;
  return [
    pass("state.reachable", "reachable", "reachable"),
    versioning === "Enabled"
      ? pass("state.versioned", "versioning", "Enabled")
      : fail(
          "state.versioned",
          "versioning",
          versioning ?? "off",
          `${hint}: without versions a bad write cannot be undone`,
        ),
    open
      ? fail("state.private", "not public", "anybody can list it", hint)
      : pass("state.private", "not public", "private"),
  ];
}
