/**
 * The client of OpenStack's APIs against a small cloud on loopback: one token for all, the catalog's URLs, what is asked
 * again, and refusals in the cloud's own words. Does not prove that a real cloud answers so: the lab's preflight does.
 */
import assert from "node:assert/strict";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { Cloud } from "../../openstack/cloud.ts";
import { connectionOf } from "../../openstack/connection.ts";
import { sentenceOf } from "../../openstack/errors.ts";

interface Reply {
  readonly status?: number;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

/** A cloud that logs in anybody and answers the rest with the replies in turn, the last again and again. */
async function cloudOf(context: TestContext, replies: readonly Reply[], catalogUrl = "") {
  const requests: IncomingMessage[] = [];
  let tokens = 0;
  const server = createServer((request, response) => {
    const base = `http://${request.headers.host}`;
    if (request.url === "/v3/auth/tokens") {
      tokens += 1;
      const endpoint = (region: string, url: string) => ({ interface: "public", region_id: region, url });
      const endpoints = [
        endpoint("elsewhere", `${base}/other`),
        endpoint("here", `${base}/api${catalogUrl}`),
      ];
      const catalog = ["network", "compute"].map((type) => ({ type, endpoints }));
      const token = {
        project: { id: "p", name: "capi" },
        roles: [{ name: "member" }],
        methods: ["m"],
        catalog,
      };
      response.writeHead(201, { "x-subject-token": `token-${tokens}` });
      return void response.end(JSON.stringify({ token }));
    }
    const { status = 200, body = {}, headers } = replies[Math.min(requests.length, replies.length - 1)] ?? {};
    requests.push(request);
    response.writeHead(status, headers);
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const cloud = new Cloud(
    connectionOf({
      authUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v3/`,
      applicationCredentialId: "id",
      applicationCredentialSecret: "PLANTED-SECRET",
      interface: "public",
      region: "here",
      source: "test",
    }),
  );
  context.after(async () => {
    await cloud.close();
    server.closeAllConnections();
    server.close();
  });
  return { cloud, requests, logins: () => tokens };
}

void test("questions at the same time share one token, and go to the region's URL with the API's version", async (context) => {
  const { cloud, requests, logins } = await cloudOf(context, [{ body: { networks: [] } }]);
  const query = { name: "a b" };
  const answers = await Promise.all([
    cloud.get("network", "/networks", { query }),
    cloud.get("compute", "/servers/detail", { microversion: "2.47" }),
    cloud.scope(),
  ]);
  assert.deepEqual(answers[0], { networks: [] });
  assert.deepEqual([answers[2].projectName, answers[2].roles], ["capi", ["member"]]);
  assert.deepEqual(requests.map(({ url }) => url).sort(), [
    "/api/servers/detail",
    "/api/v2.0/networks?name=a+b",
  ]);
  const nova = requests.find(({ url }) => url?.includes("servers"));
  assert.equal(nova?.headers["openstack-api-version"], "compute 2.47");
  assert.equal(nova?.headers["x-auth-token"], "token-1");
  assert.equal(logins(), 1);
});

void test("a version that the catalog's URL has is not put there again", async (context) => {
  const { cloud, requests } = await cloudOf(context, [{}], "/v2.0/");
  await cloud.get("network", "/routers");
  assert.equal(requests[0]?.url, "/api/v2.0/routers");
});

void test("a service that is away is asked again, after what it asks for", async (context) => {
  const away = { status: 503, headers: { "retry-after": "0.01" } };
  const { cloud, requests } = await cloudOf(context, [away, away, { body: { routers: [1] } }]);
  assert.deepEqual(await cloud.get("network", "/routers"), { routers: [1] });
  assert.equal(requests.length, 3);
});

void test("a token that is refused is renewed once", async (context) => {
  const { cloud, requests, logins } = await cloudOf(context, [{ status: 401 }, { body: { ok: true } }]);
  assert.deepEqual(await cloud.get("network", "/routers"), { ok: true });
  assert.deepEqual(
    requests.map(({ headers }) => headers["x-auth-token"]),
    ["token-1", "token-2"],
  );
  const refusing = await cloudOf(context, [{ status: 401 }]);
  await assert.rejects(refusing.cloud.get("network", "/routers"), /Neutron answered 401/);
  assert.deepEqual([refusing.requests.length, refusing.logins(), logins()], [2, 2, 2]);
});

void test("a refusal is not asked again, and has the cloud's words, the status and the request's id", async (context) => {
  const { cloud, requests } = await cloudOf(context, [
    {
      status: 403,
      body: {
        NeutronError: { type: "PolicyNotAuthorized", message: "rule:get_network is disallowed", detail: "" },
      },
      headers: { "x-openstack-request-id": "req-1" },
    },
  ]);
  await assert.rejects(cloud.get("network", "/networks"), {
    message: "Neutron answered 403 to GET /networks: rule:get_network is disallowed (request req-1)",
    status: 403,
  });
  assert.equal(requests.length, 1);
});

void test("a service that the catalog does not have is named", async (context) => {
  const { cloud } = await cloudOf(context, []);
  await assert.rejects(
    cloud.get("volume", "/types"),
    /no public endpoint of type volumev3 or block-storage or block-store or volume in region here$/,
  );
});

void test("each service's error body gives its sentence", () => {
  const bodies = {
    '{"forbidden": {"message": "Quota exceeded", "code": 403}}': "Quota exceeded",
    '{"error": {"message": "The request you have made requires authentication.", "code": 401}}':
      "The request you have made requires authentication.",
    '{"message": "Access <b>denied</b><br />\\n", "title": "Forbidden"}': "Access denied",
    '{"errors": [{"detail": "No such thing"}]}': "No such thing",
    "<html><style>p{}</style><h1>502 Bad\nGateway</h1></html>": "502 Bad Gateway",
  };
  for (const [body, said] of Object.entries(bodies)) assert.equal(sentenceOf(body), said);
  assert.equal(sentenceOf(""), undefined);
  assert.equal(sentenceOf('{"code": 1}'), undefined);
});
