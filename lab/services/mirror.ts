/**
 * The release mirror (static files in upstream's URL layout), and the Slack receiver, which records each post to
 * .lab/slack.jsonl.
 */
import { appendFileSync, createReadStream, existsSync, statSync } from "node:fs";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import { extname } from "node:path";
import { addresses, paths, ports } from "../site.ts";
import { mirrorFile } from "./mirrorPath.ts";

const types: Record<string, string> = {
  ".json": "application/json",
  ".yaml": "application/yaml",
  ".txt": "text/plain",
  ".tgz": "application/gzip",
  ".gz": "application/gzip",
};

function serve(incoming: IncomingMessage, outgoing: ServerResponse): void {
  const url = incoming.url ?? "/";
  if (incoming.method !== "GET" && incoming.method !== "HEAD")
    return refuse(outgoing, 405, "only GET and HEAD");
  const file = mirrorFile(paths.mirror, url);
  const found = file && existsSync(file) ? statSync(file) : undefined;
  if (!file || !found?.isFile()) return refuse(outgoing, 404, `the mirror has no ${url}`);
  outgoing.writeHead(200, {
    "content-type": types[extname(file)] ?? "application/octet-stream",
    "content-length": found.size,
  });
  if (incoming.method === "HEAD") return void outgoing.end();
  createReadStream(file).pipe(outgoing);
}

function refuse(outgoing: ServerResponse, status: number, message: string): void {
  console.log(`${new Date().toISOString()} ${status} ${message}`);
  outgoing.writeHead(status, { "content-type": "text/plain" });
  outgoing.end(`${message}\n`);
}

function slack(incoming: IncomingMessage, outgoing: ServerResponse): void {
  let body = "";
  incoming.setEncoding("utf8");
  incoming.on("data", (chunk: string) => {
    body += chunk;
    if (body.length > 1_000_000) incoming.destroy();
  });
  incoming.on("end", () => {
    let parsed: unknown = body;
    try {
      parsed = JSON.parse(body);
    } catch {
      // kept as text
    }
    const record = {
      time: new Date().toISOString(),
      method: incoming.method,
      path: incoming.url,
      body: parsed,
    };
    appendFileSync(paths.slack, `${JSON.stringify(record)}\n`, { mode: 0o600 });
    outgoing.writeHead(200, { "content-type": "text/plain" });
    outgoing.end("ok");
  });
}

createServer(serve).listen(ports.mirror, addresses.services);
createServer(slack).listen(ports.slack, addresses.services);
console.log(`${new Date().toISOString()} listening on ${addresses.services}`);
