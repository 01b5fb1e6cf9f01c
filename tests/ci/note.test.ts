import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type Change, fingerprint } from "../../ci/changes.ts";
import { policyLines } from "../../ci/job.ts";
import { approvedFingerprint, type NoteInput, renderNote } from "../../ci/note.ts";

const golden = join(import.meta.dirname, "golden");
const change = (name: string, operation: Change["operation"], ...properties: string[]): Change => ({
  urn: `urn:pulumi:prod::capi-mgmt::openstack:x/y:Z::${name}`,
  type: "openstack:x/y:Z",
  name,
  operation,
  properties,
});
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
    const note = renderNote(input);
    if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(file, note);
    assert.equal(note, readFileSync(file, "utf8"));
  });
}

void test("the fingerprint in a note is the one an up compares", () => {
  const input = cases["changes"] as NoteInput;
  assert.equal(approvedFingerprint("prod", renderNote(input)), fingerprint(input.changes));
  assert.equal(approvedFingerprint("dev", renderNote(input)), undefined);
  assert.equal(approvedFingerprint("pro", renderNote(input)), undefined);
  assert.equal(approvedFingerprint("prod", renderNote(cases["failure"] as NoteInput)), undefined);
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
