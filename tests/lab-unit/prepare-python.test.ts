/** uv works where pip does: it is told what pip's settings say. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { uvEnvironment } from "../../lab/prepare/python.ts";

const always = { UV_INDEX_STRATEGY: "unsafe-best-match", UV_SYSTEM_CERTS: "true" };

test("without settings uv asks PyPI and trusts whom the system trusts", () => {
  assert.deepEqual(uvEnvironment("", {}), always);
});

test("every setting that says where packages come from is taken over", () => {
  const list = [
    "global.index-url='https://user:secret@packages.example/simple'",
    "global.extra-index-url='\\nhttps://one.example/simple\\nhttps://two.example/simple'",
    "global.find-links='/srv/wheels /srv/more'",
    "global.trusted-host='packages.example'",
    "global.no-index='true'",
    "global.proxy='http://proxy.example:3128'",
    "global.client-cert='/etc/client.pem'",
    "global.timeout='60'",
  ];
  assert.deepEqual(uvEnvironment(list.join("\n"), {}), {
    ...always,
    UV_DEFAULT_INDEX: "https://user:secret@packages.example/simple",
    UV_INDEX: "https://one.example/simple https://two.example/simple",
    UV_FIND_LINKS: "/srv/wheels,/srv/more",
    UV_INSECURE_HOST: "packages.example",
    UV_OFFLINE: "true",
    UV_HTTP_TIMEOUT: "60",
    SSL_CLIENT_CERT: "/etc/client.pem",
    HTTP_PROXY: "http://proxy.example:3128",
    HTTPS_PROXY: "http://proxy.example:3128",
  });
});

test("an environment variable counts before pip's section install, and that before global; others' sections do not", () => {
  const list = [
    ":env:.default-timeout='180'",
    ":env:.index-url='https://variable.example'",
    "download.cert='/etc/other.pem'",
    "global.cert='/etc/global.pem'",
    "global.index-url='https://global.example'",
    "install.cert='/etc/install.pem'",
    "install.index-url='https://install.example'",
  ];
  assert.deepEqual(uvEnvironment(list.join("\n"), { REQUESTS_CA_BUNDLE: "/etc/requests.pem" }), {
    ...always,
    UV_DEFAULT_INDEX: "https://variable.example",
    UV_HTTP_TIMEOUT: "180",
    SSL_CERT_FILE: "/etc/install.pem",
  });
});

test("authorities that only pip's HTTP library knows of are trusted, too", () => {
  const list = "global.index-url='https://packages.example'";
  const { SSL_CERT_FILE } = uvEnvironment(list, { CURL_CA_BUNDLE: "/etc/ca.pem" });
  assert.equal(SSL_CERT_FILE, "/etc/ca.pem");
});
