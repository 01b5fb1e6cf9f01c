/**
 * A small GitLab on loopback: the calls of ci/gitlab.ts, kept in memory, with the token checked as GitLab checks it.
 * Does not prove permissions, rate limits or GitLab's rendering of markdown.
 */
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

interface Item {
  iid: number;
  title: string;
  description: string;
  state: string;
  labels?: string;
  source_branch?: string;
  target_branch?: string;
}

/** A commit that was asked for. */
export interface Push {
  branch: string;
  start_branch: string;
  actions: { action: string; file_path: string; content: string }[];
}

export interface GitLabReceiver {
  readonly apiUrl: string;
  readonly token: string;
  /** Notes by merge request number; without an author they are the token's user's. */
  readonly notes: Map<number, { id: number; body: string; system: boolean; author?: { id: number } }[]>;
  readonly issues: Item[];
  readonly mergeRequests: Item[];
  /** Which merge request brought a commit. */
  readonly commits: Map<string, number>;
  /** Comments on commits by commit; without an author they are the token's user's. */
  readonly comments: Map<string, { note: string; author?: { id: number } }[]>;
  /** What commits put onto branches, in order. */
  readonly pushes: Push[];
  /** Requests as `METHOD path`, in order. */
  readonly requests: string[];
  /** The next requests are answered with these status codes instead. */
  readonly refusals: number[];
  close(): Promise<void>;
}

export async function startGitLabReceiver(): Promise<GitLabReceiver> {
  const token = `project-token-${randomUUID()}`;
  const notes: GitLabReceiver["notes"] = new Map();
  const issues: Item[] = [];
  const mergeRequests: Item[] = [];
  const commits = new Map<string, number>();
  const comments: GitLabReceiver["comments"] = new Map();
  const pushes: Push[] = [];
  const requests: string[] = [];
  const refusals: number[] = [];
  const user = { id: 1, username: "project_1_bot" };
  let nextId = 1;

  function answer(
    method: string,
    path: string,
    query: URLSearchParams,
    body: Record<string, string>,
  ): [number, unknown] {
    const page = <T>(all: T[]): T[] => {
      const size = Number(query.get("per_page") ?? 20);
      const start = (Number(query.get("page") ?? 1) - 1) * size;
      return all.slice(start, start + size);
    };
    if (path === "/api/v4/user" && method === "GET") return [200, user];
    const noteMatch = /^\/merge_requests\/(\d+)\/notes(?:\/(\d+))?$/.exec(path);
    if (noteMatch !== null) {
      const list = notes.get(Number(noteMatch[1])) ?? [];
      notes.set(Number(noteMatch[1]), list);
      if (method === "GET") return [200, page(list.map((note) => ({ author: user, ...note })))];
      if (method === "POST") {
        const note = { id: nextId++, body: body["body"] ?? "", system: false };
        list.push(note);
        return [201, note];
      }
      const note = list.find((candidate) => candidate.id === Number(noteMatch[2]));
      if (method === "PUT" && note !== undefined) {
        note.body = body["body"] ?? "";
        return [200, note];
      }
    }
    const commit = /^\/repository\/commits\/([0-9a-f]+)\/merge_requests$/.exec(path)?.[1];
    if (commit !== undefined && method === "GET") {
      const iid = commits.get(commit);
      return [200, page(iid === undefined ? [] : [{ iid, state: "merged" }])];
    }
    const commented = /^\/repository\/commits\/([0-9a-f]+)\/comments$/.exec(path)?.[1];
    if (commented !== undefined) {
      const list = comments.get(commented) ?? [];
      comments.set(commented, list);
      if (method === "GET") return [200, page(list.map((comment) => ({ author: user, ...comment })))];
      if (method === "POST") {
        const comment = { note: body["note"] ?? "" };
        list.push(comment);
        return [201, { ...comment, author: user }];
      }
    }
    if (path === "/repository/commits" && method === "POST") {
      pushes.push(body as unknown as Push);
      return [201, { id: "c0ffee" }];
    }
    const itemMatch = /^\/(issues|merge_requests)(?:\/(\d+))?$/.exec(path);
    if (itemMatch !== null) {
      const list = itemMatch[1] === "issues" ? issues : mergeRequests;
      if (method === "GET") {
        const found = list.filter(
          (item) =>
            item.state === query.get("state") &&
            (query.get("labels") === null || item.labels === query.get("labels")) &&
            (query.get("source_branch") === null || item.source_branch === query.get("source_branch")),
        );
        return [200, page(found)];
      }
      if (method === "POST") {
        const item = { title: "", description: "", ...body, iid: nextId++, state: "opened" };
        list.push(item);
        return [201, item];
      }
      const item = list.find((candidate) => candidate.iid === Number(itemMatch[2]));
      if (method === "PUT" && item !== undefined) {
        Object.assign(item, body);
        if (body["state_event"] === "close") item.state = "closed";
        return [200, item];
      }
    }
    return [404, { message: "404 Not found" }];
  }

  const server = createServer((request, response) => {
    void (async () => {
      const url = new URL(request.url ?? "/", "http://receiver");
      const path = url.pathname.replace(/^\/api\/v4\/projects\/[^/]+/, "");
      requests.push(`${request.method ?? ""} ${path}`);
      const body = await readJson(request);
      const refusal = refusals.shift();
      const [status, content] =
        refusal !== undefined
          ? [refusal, { message: "refused by the test" }]
          : request.headers["private-token"] !== token
            ? [401, { message: "401 Unauthorized" }]
            : answer(request.method ?? "", path, url.searchParams, body);
      response.writeHead(status, { "Content-Type": "application/json", "Retry-After": "0" });
      response.end(JSON.stringify(content));
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    apiUrl: `http://127.0.0.1:${port}/api/v4`,
    token,
    notes,
    issues,
    mergeRequests,
    commits,
    comments,
    pushes,
    requests,
    refusals,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

async function readJson(request: IncomingMessage): Promise<Record<string, string>> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text === "" ? {} : (JSON.parse(text) as Record<string, string>);
}
