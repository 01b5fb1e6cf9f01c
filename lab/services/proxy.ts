/**
 * The process in front of every OpenStack API: ends TLS with the lab's certificate on the public address, passes requests to the
 * same port on loopback, and applies fault rules. Rules come from .lab/faults.json; hits are written to .lab/run/fault-hits.json.
 * Upstream analogue: HAProxy on a Kolla site's external VIP.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { type IncomingMessage, type ServerResponse, request as httpRequest } from "node:http";
import { createServer } from "node:https";
import { type ApiName, addresses, apiPorts, paths } from "../site.ts";
import { bypassHeader } from "./cloud.ts";
import { type FaultFile, choose, faultBody } from "./faultRules.ts";
import { loadSecrets } from "./secrets.ts";

const { bypassToken } = loadSecrets();
const hits = new Map<number, number>();
let faults: FaultFile = { generation: 0, rules: [] };
let faultsRead = "";

/** Reads the rules again if the file changed; a half-written or broken file keeps the old ones. */
function readFaults(): void {
  const text = existsSync(paths.faults) ? readFileSync(paths.faults, "utf8") : '{"generation":0,"rules":[]}';
  if (text === faultsRead) return;
  try {
    faults = JSON.parse(text) as FaultFile;
    faultsRead = text;
    for (const id of hits.keys()) if (!faults.rules.some((rule) => rule.id === id)) hits.delete(id);
    writeHits();
  } catch (error) {
    console.error(`faults.json: ${String(error)}`);
  }
}

function writeHits(): void {
  const content = JSON.stringify({ generation: faults.generation, hits: Object.fromEntries(hits) });
  writeFileSync(`${paths.faultHits}.new`, content);
  renameSync(`${paths.faultHits}.new`, paths.faultHits);
}

function handle(api: ApiName, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const method = incoming.method ?? "GET";
  const path = incoming.url ?? "/";
  if (incoming.headers[bypassHeader] === bypassToken) return forward(api, incoming, outgoing);
  const line = { service: api, method, path };
  const rule = choose(faults.rules, line, hits);
  if (!rule) return forward(api, incoming, outgoing);
  hits.set(rule.id, (hits.get(rule.id) ?? 0) + 1);
  writeHits();
  console.log(`${new Date().toISOString()} fault ${rule.id}: ${api} ${method} ${path}`);
  setTimeout(() => {
    if (rule.drop) return void incoming.socket.destroy();
    if (rule.status === undefined) return forward(api, incoming, outgoing);
    incoming.resume();
    outgoing.writeHead(rule.status, { "content-type": "application/json" });
    outgoing.end(faultBody(rule, line));
  }, rule.delay ?? 0);
}

function forward(api: ApiName, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const headers: NodeJS.Dict<string | string[]> = {
    ...incoming.headers,
    "x-forwarded-proto": "https",
    connection: "close",
  };
  delete headers[bypassHeader];
  const backend = httpRequest(
    {
      host: "127.0.0.1",
      port: apiPorts[api],
      method: incoming.method,
      path: incoming.url,
      headers,
      setHost: false,
      agent: false,
    },
    (answer) => {
      const kept = { ...answer.headers };
      delete kept.connection;
      outgoing.writeHead(answer.statusCode ?? 502, kept);
      answer.pipe(outgoing);
      answer.on("error", () => outgoing.destroy());
    },
  );
  backend.on("error", (error) => {
    if (outgoing.headersSent) return void outgoing.destroy();
    outgoing.writeHead(502, { "content-type": "application/json" });
    const message = `${api} does not answer: ${error.message}`;
    outgoing.end(JSON.stringify({ error: { code: 502, title: "Bad Gateway", message } }));
  });
  outgoing.on("close", () => backend.destroy());
  incoming.pipe(backend);
}

const tls = { cert: readFileSync(paths.serverCertificate), key: readFileSync(paths.serverKey) };
readFaults();
setInterval(readFaults, 100);
for (const [api, port] of Object.entries(apiPorts) as [ApiName, number][]) {
  createServer({ ...tls, keepAliveTimeout: 60_000 }, (incoming, outgoing) => handle(api, incoming, outgoing))
    .on("tlsClientError", () => undefined)
    .listen(port, addresses.services);
}
console.log(`${new Date().toISOString()} listening on ${addresses.services}`);
