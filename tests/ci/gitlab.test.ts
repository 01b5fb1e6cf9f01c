import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { GitLab } from "../../ci/gitlab.ts";
import { type GitLabReceiver, startGitLabReceiver } from "../support/gitlabReceiver.ts";

let receiver: GitLabReceiver;
let gitlab: GitLab;

before(async () => {
  receiver = await startGitLabReceiver();
  gitlab = new GitLab({ apiUrl: receiver.apiUrl, project: "cloud/capi-mgmt", token: receiver.token });
});
after(() => receiver.close());

void test("a site's note is created once and then updated in place", async () => {
  const put = (text: string) => gitlab.putNote(7, "<!-- site=prod ", `<!-- site=prod -->\n${text}\n`);
  assert.equal(await put("one"), "created");
  assert.equal(await gitlab.putNote(7, "<!-- site=dev ", "<!-- site=dev -->\n"), "created");
  assert.equal(await put("two"), "updated");
  assert.equal(await put("two"), "unchanged");
  assert.deepEqual(await gitlab.notes(7), ["<!-- site=prod -->\ntwo\n", "<!-- site=dev -->\n"]);
});

void test("the note is found beyond the first page", async () => {
  const list = Array.from({ length: 230 }, (_, id) => ({
    id: 1000 + id,
    body: `note ${id}`,
    system: id % 2 === 0,
  }));
  receiver.notes.set(8, [...list, { id: 1, body: "<!-- site=prod --> old", system: false }]);
  assert.equal(await gitlab.putNote(8, "<!-- site=prod ", "<!-- site=prod --> new"), "updated");
  assert.equal(receiver.notes.get(8)?.length, 231);
});

void test("a system note with the marker is not taken for ours", async () => {
  receiver.notes.set(9, [{ id: 2, body: "<!-- site=prod --> quoted", system: true }]);
  assert.equal(await gitlab.putNote(9, "<!-- site=prod ", "<!-- site=prod -->"), "created");
});

void test("somebody else's note with the marker is neither updated nor believed", async () => {
  const forged = { id: 3, body: "<!-- site=prod --> forged", system: false, author: { id: 99 } };
  receiver.notes.set(10, [forged]);
  assert.deepEqual(await gitlab.notes(10), []);
  assert.equal(await gitlab.putNote(10, "<!-- site=prod ", "<!-- site=prod --> ours"), "created");
  assert.equal(forged.body, "<!-- site=prod --> forged");
});

void test("a commit's comments are the token's own; the same text is not written twice", async () => {
  receiver.comments.set("abc123", [{ note: "<!-- approval --> forged", author: { id: 99 } }]);
  await gitlab.putCommitComment("abc123", "one\n");
  await gitlab.putCommitComment("abc123", "one");
  await gitlab.putCommitComment("abc123", "two");
  assert.deepEqual(await gitlab.commitComments("abc123"), ["one\n", "two"]);
  assert.deepEqual(await gitlab.commitComments("def456"), []);
});

void test("an issue of the same title and label is updated, closed, and then opened anew", async () => {
  assert.equal(await gitlab.putIssue("Drift on prod", "capi-mgmt-drift", "a"), "created");
  assert.equal(await gitlab.putIssue("Drift on prod", "capi-mgmt-drift", "b"), "updated");
  assert.equal(await gitlab.closeIssue("Drift on prod", "capi-mgmt-drift"), true);
  assert.equal(await gitlab.closeIssue("Drift on prod", "capi-mgmt-drift"), false);
  assert.equal(await gitlab.putIssue("Drift on prod", "capi-mgmt-drift", "c"), "created");
  assert.deepEqual(
    receiver.issues.map(({ description, state }) => [description, state]),
    [
      ["b", "closed"],
      ["c", "opened"],
    ],
  );
});

void test("one merge request per branch", async () => {
  assert.equal(await gitlab.hasOpenMergeRequest("releases", "main"), false);
  assert.equal(await gitlab.openMergeRequest("releases", "main", "New releases", "a"), "created");
  assert.equal(await gitlab.hasOpenMergeRequest("releases", "main"), true);
  assert.equal(await gitlab.openMergeRequest("releases", "main", "New releases", "b"), "updated");
  assert.deepEqual(
    receiver.mergeRequests.map(({ description }) => description),
    ["b"],
  );
});

void test("the merge request that brought a commit is found, a direct push has none", async () => {
  receiver.commits.set("abc123", 12);
  assert.equal(await gitlab.mergeRequestOf("abc123"), 12);
  assert.equal(await gitlab.mergeRequestOf("def456"), undefined);
});

void test("a refusal for too many requests is waited out; any other is told with its cause", async () => {
  receiver.refusals.push(429, 429);
  assert.deepEqual(await gitlab.notes(7), ["<!-- site=prod -->\ntwo\n", "<!-- site=dev -->\n"]);
  receiver.refusals.push(500);
  const before = receiver.requests.length;
  await assert.rejects(gitlab.notes(7), /GitLab GET \/user: HTTP 500 .*refused by the test/);
  assert.equal(receiver.requests.length, before + 1);
});

void test("a wrong token is named as such and does not stand in the error", async () => {
  const stranger = new GitLab({ apiUrl: receiver.apiUrl, project: "1", token: "planted-token-value" });
  await assert.rejects(stranger.notes(7), (error: Error) => {
    assert.match(error.message, /HTTP 401 \(the project token is not valid or has expired\)/);
    assert.doesNotMatch(error.message, /planted-token-value/);
    return true;
  });
});
