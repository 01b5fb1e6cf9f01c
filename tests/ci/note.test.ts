import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { policyLines } from "../../ci/job.ts";
import { approvedChanges, type NoteInput, renderNote } from "../../ci/note.ts";
import { change } from "../support/previews.ts";

const golden = join(import.meta.dirname, "golden");
const base: NoteInput = {
  site: "prod",
  changes: [],
  policy: { verdict: "pass", findings: [] },
  preflight: { verdict: "pass", findings: [] },
  jobUrl: "https://gitlab.example/cloud/capi-mgmt/-/jobs/1",
  commit: "0123456789abcdef",
};

const cases: Record<string, NoteInput> = {
  "no-changes": { ...base, changes: [change("seed", "same")] },
  changes: {
    ...base,
    changes: [
      change("seed-new-rule", "create"),
      change("seed", "replace", "imageId"),
      change("cluster", "update", "values.apiServer.allowedCIDRs[0]", "version"),
      change("seed-old-rule", "delete"),
      change("network", "same"),
    ],
    policy: { verdict: "warn", findings: ["advisory closed-ports: seed-ssh: opens port 22 to everyone"] },
    preflight: { verdict: "fail", findings: ["quota.instances: want 8, have 4: raise the quota"] },
  },
  exemptions: {
    ...base,
    policy: {
      verdict: "warn",
      findings: policyLines([
        ...["k3s.sha256", "seed.image"].map((subject) => ({
          ...{ rule: "pinned-versions", severity: "exempted", subject, message: "pin its sum" },
          note: "until 2027-05-31: sums are pinned when the site gets its own mirror",
        })),
        ...[{ rule: "closed-ports", severity: "advisory", subject: "seed-ssh", message: "close it" }],
        {
          ...{ rule: "verified-tls", severity: "exempted", subject: "mirror.url", message: "use https" },
          note: "until 2026-12-31: the mirror has no certificate",
        },
        {
          ...{ rule: "protected-data", severity: "advisory", subject: "seed-data", message: "protect it" },
          note: "the exemption ended on 2026-01-31",
        },
      ]),
    },
  },
  failure: {
    ...base,
    failure: "error: capi-mgmt:\n``` seed.flavor: is required",
    preflight: { verdict: "skipped", findings: [] },
  },
};

for (const [name, input] of Object.entries(cases)) {
  void test(`the note of case ${name} is as its golden file`, () => {
    const file = join(golden, `note-${name}.md`);
    // Compressed, which another zlib may do otherwise.
    const note = renderNote(input).replace(/^(<!-- capi-mgmt changes) \S+ -->$/m, "$1 RECORD -->");
    if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(file, note);
    assert.equal(note, readFileSync(file, "utf8"));
  });
}

void test("a note approves the changes it shows, of its own site and of a preview that did not fail", () => {
  const input = cases["changes"] as NoteInput;
  const names = (site: string, note: string) =>
    approvedChanges(site, note).map(({ urn }) => urn.split("::").at(-1));
  const shown = ["seed-new-rule", "seed", "cluster", "seed-old-rule"];
  assert.deepEqual(names("prod", renderNote(input)), shown);
  assert.deepEqual(names("dev", renderNote(input)), []);
  assert.deepEqual(names("pro", renderNote(input)), []);
  assert.deepEqual(names("prod", renderNote(cases["failure"] as NoteInput)), []);
});

void test("markdown in a name cannot leave its cell or open a tag", () => {
  const note = renderNote({ ...base, changes: [change("a|b<img src=x>\n`c`", "create")] });
  const row = note.split("\n").find((line) => line.includes("img"));
  assert.equal(row, "| `+` create | a\\|b\\<img src=x\\> \\`c\\` | openstack:x/y:Z |  |");
});

void test("a note stays readable however much changes", () => {
  const note = renderNote({
    ...base,
    changes: Array.from({ length: 500 }, (_, i) => change(`r${i}`, "create")),
  });
  assert.equal(note.split("\n").filter((line) => line.startsWith("| `+`")).length, 60);
  assert.match(note, /… and 440 more: see the job's log\./);
});
