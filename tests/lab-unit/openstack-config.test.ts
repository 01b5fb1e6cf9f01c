/** The services' configuration as data and as text. Does not prove that the services accept it: starting the lab does. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { catalogEntries, openstackConfigs, renderIni } from "../../lab/openstack/config.ts";
import { cloudsYaml } from "../../lab/services/cloud.ts";

const settings = {
  data: "/lab/data",
  log: "/lab/log",
  etc: "/lab/etc",
  upstreamEtc: "/venv/etc",
  servicePassword: "service-password",
  octaviaPassphrase: "0123456789abcdef0123456789abcdef",
};

test("an ini is written as oslo.config reads it", () => {
  assert.equal(
    renderIni({ DEFAULT: { debug: false, workers: 1 }, database: { connection: "mysql://x/y?a=b&c" } }),
    "[DEFAULT]\ndebug = false\nworkers = 1\n\n[database]\nconnection = mysql://x/y?a=b&c\n",
  );
});

test("a value over several lines is refused: it would smuggle options", () => {
  assert.throws(() => renderIni({ a: { b: "c\n[d]" } }), { message: "a.b: a value may not span lines" });
});

test("every service's file renders and talks to its own database and user", () => {
  const files = openstackConfigs(settings);
  for (const [file, database, user] of [
    ["glance-api.conf", "glance", "glance"],
    ["cinder.conf", "cinder", "cinder"],
    ["neutron.conf", "neutron", "neutron"],
    ["octavia.conf", "octavia", "octavia"],
    ["nova.conf", "nova_cell1", "nova"],
  ] as const) {
    const ini = files[file];
    assert.ok(ini, file);
    assert.match(String(ini["database"]?.["connection"]), new RegExp(`/${database}\\?`));
    assert.equal(ini["keystone_authtoken"]?.["username"], user);
    assert.match(renderIni(ini), /enable_proxy_headers_parsing = true/);
  }
});

test("nothing that a service hands out points to the loopback behind the proxy", () => {
  const files = openstackConfigs(settings);
  const handedOut = [
    files["keystone.conf"]?.["DEFAULT"]?.["public_endpoint"],
    files["glance-api.conf"]?.["DEFAULT"]?.["public_endpoint"],
    files["cinder.conf"]?.["DEFAULT"]?.["public_endpoint"],
    files["octavia.conf"]?.["api_settings"]?.["api_base_uri"],
    ...catalogEntries().map((entry) => entry.public),
  ];
  for (const url of handedOut) assert.match(String(url), /^https:\/\/203\.0\.113\.10:\d+/);
});

test("the catalog has volumev3 beside block-storage, at the same place", () => {
  const find = (type: string) => catalogEntries().find((entry) => entry.type === type);
  assert.equal(find("volumev3")?.public, find("block-storage")?.public);
  assert.equal(find("compute")?.public, "https://203.0.113.10:8774/v2.1");
});

test("clouds.yaml is YAML, quotes what it must and names the CA", () => {
  const text = cloudsYaml({
    openstack: {
      authType: "v3applicationcredential",
      auth: { auth_url: "https://x:5000/v3", secret: 'a: "b" #' },
    },
  });
  const cloud = (parse(text) as { clouds: Record<string, Record<string, unknown>> }).clouds["openstack"];
  assert.equal(cloud?.["auth_type"], "v3applicationcredential");
  assert.deepEqual(cloud?.["auth"], { auth_url: "https://x:5000/v3", secret: 'a: "b" #' });
  assert.match(String(cloud?.["cacert"]), /\.lab\/ca\.pem$/);
  assert.equal(cloud?.["interface"], "public");
});

test("Keystone's keys of every kind are the lab's: none is looked for in /etc", () => {
  const keystone = openstackConfigs(settings)["keystone.conf"];
  for (const section of ["fernet_tokens", "fernet_receipts", "credential"]) {
    assert.match(String(keystone?.[section]?.["key_repository"]), /^\/lab\/data\/keystone\//, section);
  }
});
