/**
 * The few calls of GitLab's REST API (v4) that the pipeline makes: notes on a merge request, comments on a commit, issues,
 * merge requests.
 *
 * Authenticates with a project access token (scope `api`) in the header PRIVATE-TOKEN, as GitLab documents; the token
 * never stands in a URL or an error.
 */

export interface GitLabOptions {
  /** API root, for example the value of CI_API_V4_URL. */
  readonly apiUrl: string;
  /** Numeric id or path of the project, for example CI_PROJECT_ID. */
  readonly project: string;
  /** Project access token with scope `api`. */
  readonly token: string;
}

interface Note {
  readonly id: number;
  readonly body: string;
  readonly system: boolean;
  readonly author: { readonly id: number };
}

interface CommitComment {
  readonly note: string;
  readonly author: { readonly id: number };
}

interface Issue {
  readonly iid: number;
  readonly title: string;
  readonly web_url?: string;
}

interface MergeRequest {
  readonly iid: number;
  readonly state: string;
}

/** GitLab answers 100 objects a page at most. */
const PER_PAGE = 100;
/** GitLab asks clients to wait out 429; a note is worth five tries. */
const ATTEMPTS = 5;

export class GitLab {
  private readonly options: GitLabOptions;
  private readonly project: string;

  constructor(options: GitLabOptions) {
    this.options = options;
    this.project = `/projects/${encodeURIComponent(options.project)}`;
  }

  /** Creates our note whose text begins with `marker`, or replaces the text of the one that is there. Says which it did. */
  async putNote(
    mergeRequest: number,
    marker: string,
    body: string,
  ): Promise<"created" | "updated" | "unchanged"> {
    const path = `/merge_requests/${mergeRequest}/notes`;
    const note = (await this.ownNotes(path)).find(({ body }) => body.startsWith(marker));
    if (note === undefined) {
      await this.call("POST", path, { body });
      return "created";
    }
    if (note.body.trimEnd() === body.trimEnd()) return "unchanged";
    await this.call("PUT", `${path}/${note.id}`, { body });
    return "updated";
  }

  /** The texts of the notes that this token's user has left on a merge request. */
  async notes(mergeRequest: number): Promise<string[]> {
    return (await this.ownNotes(`/merge_requests/${mergeRequest}/notes`)).map(({ body }) => body);
  }

  /** The comments that this token's user has left on a commit. */
  async commitComments(commit: string): Promise<string[]> {
    const me = await this.me();
    const comments = await this.list<CommitComment>(`/repository/commits/${commit}/comments`);
    return comments.filter(({ author }) => author.id === me).map(({ note }) => note);
  }

  /** Comments on a commit, unless the very same text stands there. */
  async putCommitComment(commit: string, note: string): Promise<void> {
    const before = await this.commitComments(commit);
    if (before.some((text) => text.trimEnd() === note.trimEnd())) return;
    await this.call("POST", `/repository/commits/${commit}/comments`, { note });
  }

  /** The merged merge request that brought a commit onto the default branch, or undefined for a direct push. */
  async mergeRequestOf(commit: string): Promise<number | undefined> {
    const found = await this.list<MergeRequest>(`/repository/commits/${commit}/merge_requests`);
    return found.find((candidate) => candidate.state === "merged")?.iid;
  }

  /** Opens an issue with this title, or updates the open one of the same title and label. */
  async putIssue(title: string, label: string, description: string): Promise<"created" | "updated"> {
    const issue = await this.openIssue(title, label);
    if (issue === undefined) {
      await this.call("POST", "/issues", { title, labels: label, description });
      return "created";
    }
    await this.call("PUT", `/issues/${issue.iid}`, { description });
    return "updated";
  }

  /** Closes the open issue of this title and label, if there is one. */
  async closeIssue(title: string, label: string): Promise<boolean> {
    const issue = await this.openIssue(title, label);
    if (issue === undefined) return false;
    await this.call("PUT", `/issues/${issue.iid}`, { state_event: "close" });
    return true;
  }

  /** Puts whole files onto a branch in one commit that starts anew from another branch. */
  async commitFiles(
    branch: string,
    from: string,
    message: string,
    files: Readonly<Record<string, string>>,
  ): Promise<void> {
    await this.call("POST", "/repository/commits", {
      branch,
      start_branch: from,
      // The branch may hold an earlier proposal: it is replaced.
      force: true,
      commit_message: message,
      actions: Object.entries(files).map(([path, content]) => ({
        action: "update",
        file_path: path,
        content,
      })),
    });
  }

  /** Whether a merge request from `branch` is open. */
  async hasOpenMergeRequest(branch: string, target: string): Promise<boolean> {
    return (await this.openMergeRequestOf(branch, target)) !== undefined;
  }

  /** Opens a merge request from `branch`, unless one is open already. */
  async openMergeRequest(
    branch: string,
    target: string,
    title: string,
    description: string,
  ): Promise<"created" | "updated"> {
    const open = await this.openMergeRequestOf(branch, target);
    if (open !== undefined) {
      await this.call("PUT", `/merge_requests/${open.iid}`, { title, description });
      return "updated";
    }
    await this.call("POST", "/merge_requests", {
      source_branch: branch,
      target_branch: target,
      title,
      description,
      remove_source_branch: true,
    });
    return "created";
  }

  /** Whoever may comment could write our marker: only the token's own notes count. */
  private async ownNotes(path: string): Promise<Note[]> {
    const me = await this.me();
    return (await this.list<Note>(path)).filter(({ system, author }) => !system && author.id === me);
  }

  private async me(): Promise<number> {
    return ((await this.send("GET", "/user")) as { id: number }).id;
  }

  private async openMergeRequestOf(branch: string, target: string): Promise<MergeRequest | undefined> {
    const query = new URLSearchParams({ state: "opened", source_branch: branch, target_branch: target });
    return (await this.list<MergeRequest>(`/merge_requests?${query.toString()}`))[0];
  }

  private async openIssue(title: string, label: string): Promise<Issue | undefined> {
    const query = new URLSearchParams({ state: "opened", labels: label, search: title, in: "title" });
    return (await this.list<Issue>(`/issues?${query.toString()}`)).find((issue) => issue.title === title);
  }

  private async list<T>(path: string): Promise<T[]> {
    const all: T[] = [];
    for (let page = 1; ; page += 1) {
      const answer = (await this.call(
        "GET",
        `${path}${path.includes("?") ? "&" : "?"}per_page=${PER_PAGE}&page=${page}`,
      )) as T[];
      all.push(...answer);
      if (answer.length < PER_PAGE) return all;
    }
  }

  /** A call below the project. */
  private call(method: string, path: string, body?: unknown): Promise<unknown> {
    return this.send(method, path, body, this.project);
  }

  private async send(method: string, path: string, body?: unknown, below = ""): Promise<unknown> {
    const url = `${this.options.apiUrl.replace(/\/$/, "")}${below}${path}`;
    for (let attempt = 1; ; attempt += 1) {
      const response = await fetch(url, {
        method,
        headers: { "PRIVATE-TOKEN": this.options.token, "Content-Type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(30_000),
      });
      const text = await response.text();
      if (response.ok) return text === "" ? undefined : JSON.parse(text);
      // Only a refusal that GitLab itself calls temporary is tried again: a repeated POST could make a second note.
      if (response.status === 429 && attempt < ATTEMPTS) {
        const seconds = Number(response.headers.get("Retry-After") ?? 2 ** attempt);
        await new Promise((resolve) => setTimeout(resolve, Math.min(seconds, 60) * 1000));
        continue;
      }
      throw new Error(
        `GitLab ${method} ${path.split("?")[0]}: HTTP ${response.status} ${hint(response.status)}: ${text.slice(0, 300)}`,
      );
    }
  }
}

function hint(status: number): string {
  if (status === 401) return "(the project token is not valid or has expired)";
  if (status === 403) return "(the project token lacks scope `api` or the role Developer)";
  if (status === 404) return "(no such project, merge request or issue, or the token cannot see it)";
  return "";
}
