/**
 * Preflight's questions, on a small cloud of recorded answers: that answers are parsed, that images are asked for by id,
 * and that a proxy in the environment is used. That a real cloud answers so is shown in the lab.
 */
import assert from "node:assert/strict";
import { createServer, request as forward, type Server } from "node:http";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import type { AddressInfo } from "node:net";
import { gather } from "../../preflight/gather.ts";
import { downloadUrls } from "../../preflight/downloads.ts";
import { configOf } from "../support/siteConfig.ts";
import { setEnvironment } from "../support/environment.ts";

const IMAGE = "0f1e2d3c-4b5a-4968-8776-655443322110";
const asked: string[] = [];
const proxied: string[] = [];
let cloud: Server;
let proxy: Server;
let url = "";

/** What each path answers; a path that is not here is a 404. */
const ANSWERS: Record<string, unknown> = {
  "/compute/flavors/detail": {
    flavors: [{ id: "f-1", name: "m1.large", vcpus: 4, ram: 16384, disk: 100 }],
  },
  [`/image/v2/images/${IMAGE}`]: { id: IMAGE, name: "noble", status: "active", visibility: "community" },
  "/compute/limits": { limits: { absolute: { maxTotalInstances: "many", totalInstancesUsed: 1 } } },
  "/compute/servers/detail": { servers: [] },
  "/compute/os-server-groups": { server_groups: [] },
  "/compute/os-keypairs/capi-mgmt-prod-seed": { keypair: { name: "capi-mgmt-prod-seed" } },
  "/network/v2.0/subnets": { subnets: [{ id: "s", network_id: "n", cidr: "10.0.0.0/24" }] },
};

before(async () => {
  cloud = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", url);
    asked.push(pathname);
    const catalog = ["compute", "network", "image", "volumev3", "load-balancer"].map((type) => ({
      type,
      endpoints: [{ interface: "public", region_id: "R", url: `${url}/${type}` }],
    }));
    const token = {
      token: { project: { id: "p", name: "x" }, roles: [], methods: [], catalog, expires_at: "" },
    };
    const body = pathname === "/v3/auth/tokens" ? token : ANSWERS[pathname];
    response.writeHead(body === undefined ? 404 : 200, { "x-subject-token": "t" });
    response.end(JSON.stringify(body ?? {}));
  });
  // Undici asks for plain HTTP in the old way, with the whole URL, and for TLS with CONNECT.
  proxy = createServer((request, response) => {
    const target = new URL(request.url ?? "");
    proxied.push(target.pathname);
    const { method, headers } = request;
    const onwards = forward(target, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onwards.on("error", () => response.writeHead(502).end());
    request.pipe(onwards);
  });
  proxy.on("connect", (request, socket) => {
    proxied.push(request.url ?? "");
    const [host, port] = (request.url ?? "").split(":");
    const out = connect(Number(port), host, () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      out.pipe(socket);
      socket.pipe(out);
    });
    out.on("error", () => socket.destroy());
    socket.on("error", () => out.destroy());
  });
  for (const server of [cloud, proxy]) {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  }
  url = `http://127.0.0.1:${(cloud.address() as AddressInfo).port}`;
});
after(() => {
  for (const server of [cloud, proxy]) {
    server.closeAllConnections();
    server.close();
  }
});

const site = () =>
  gather({
    stack: "prod",
    config: configOf({ mirror: { url: `${url}/mirror` } }),
    credentials: {
      authUrl: url,
      applicationCredentialId: "id",
      applicationCredentialSecret: "secret",
      interface: "public",
      source: "test",
    },
    backendUrl: undefined,
  });

test("images by id are asked for one by one: a list shows neither shared nor community ones", async () => {
  const { images } = await site();
  assert.deepEqual(images.seed, { value: [{ id: IMAGE, name: "noble", status: "active", minDisk: 0 }] });
  assert.deepEqual(images.cluster, { value: [] });
  assert.ok(!asked.includes("/image/v2/images"));
});

test("an answer that is not what the API promises is an error that names the field", async () => {
  const facts = await site();
  assert.ok("error" in facts.subnets);
  assert.match(facts.subnets.error, /^network answered GET \/subnets .*: subnets\.0\.(name|ip_version): /);
  const instances = facts.quotas?.instances;
  assert.ok(instances !== undefined && "error" in instances);
  assert.match(instances.error, /limits\.absolute\.maxTotalInstances: .*expected number/);
  assert.deepEqual(facts.keyPair, { value: true });
});

test("machines' flavors are found by name only", async () => {
  const { flavors } = await site();
  assert.ok("value" in flavors.workers && flavors.workers.value?.id === "f-1");
});

const proxyUrl = () => `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;

test("the proxy that the environment names is used, for the cloud and for downloads", async (context) => {
  setEnvironment(context, { HTTP_PROXY: proxyUrl() });
  const { scope } = await site();
  assert.ok("value" in scope, JSON.stringify(scope));
  assert.ok(proxied.includes("/v3/auth/tokens"), proxied.join());
  assert.ok(
    proxied.some((path) => path.startsWith("/mirror/github.com/")),
    proxied.join(),
  );
});

test("a network in NO_PROXY is reached directly, by the cloud's client and by the downloads' as by the providers", async (context) => {
  proxied.length = 0;
  setEnvironment(context, { HTTP_PROXY: proxyUrl(), NO_PROXY: "example.org,127.0.0.0/8" });
  const { scope, downloads } = await site();
  assert.ok("value" in scope, JSON.stringify(scope));
  assert.ok([...downloads.values()].every(({ answer }) => "value" in answer));
  assert.deepEqual(proxied, []);
});

test("what is downloaded: every release once, through the mirror", () => {
  const urls = [...downloadUrls(configOf({ mirror: { url: "https://m.example" } })).values()];
  assert.ok(urls.length > 8);
  assert.ok(urls.every((one) => one.startsWith("https://m.example/")));
});
