/** What magnum-capi-helm could not use is refused by name, and no secret is told. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parse, stringify } from "yaml";
import { asTemplate, fromTemplate } from "../../kayobe/kollaTemplate.ts";
import { magnumAccess } from "../../kayobe/kubeconfig.ts";
import { tokenKubeconfig } from "../../lib/kubeconfig.ts";

const KUBECONFIG = tokenKubeconfig({
  name: "capi-mgmt-test",
  server: "https://192.0.2.1:6443",
  caCert: "authority",
  token: "s3cret.t0ken",
});

/** The kubeconfig with its first cluster and user changed. */
function changed(cluster: object, user: object): string {
  const document = parse(KUBECONFIG) as { clusters: { cluster: object }[]; users: { user: object }[] };
  Object.assign(document.clusters[0]?.cluster ?? {}, cluster);
  if (document.users[0] !== undefined) document.users[0].user = user;
  return stringify(document);
}

test("a token kubeconfig is read", () => {
  assert.deepEqual(magnumAccess(KUBECONFIG), {
    server: "https://192.0.2.1:6443",
    caCert: "authority",
    token: "s3cret.t0ken",
  });
});

test("a certificate kubeconfig is read", () => {
  const user = { "client-certificate-data": btoa("cert"), "client-key-data": btoa("key") };
  assert.deepEqual(magnumAccess(changed({}, user)).certificate, { cert: "cert", key: "key" });
});

const REFUSED: [string, string, RegExp][] = [
  [
    "an exec plugin",
    changed({}, { exec: { command: "s3cret.t0ken" } }),
    /neither .* nor a token \(it has exec\)$/,
  ],
  [
    "a certificate in a file",
    changed({}, { "client-certificate": "/x", "client-key": "/y" }),
    /it has client-certificate, client-key/,
  ],
  ["a token in a file", changed({}, { tokenFile: "/s3cret.t0ken" }), /it has tokenFile/],
  [
    "an insecure connection",
    changed({ "certificate-authority-data": undefined, "insecure-skip-tls-verify": true }, {}),
    /no inline certificate-authority-data/,
  ],
  ["plain HTTP", changed({ server: "http://192.0.2.1:6443" }, {}), /server is not an https URL/],
  [
    "no current context",
    KUBECONFIG.replace(/^current-context:.*\n/m, ""),
    /current context names no cluster and user that it contains \(nothing in contexts\)/,
  ],
  ["no YAML", "{ s3cret.t0ken: [", /the kubeconfig is not YAML/],
  ["nothing", "", /current context names no cluster/],
];
for (const [what, kubeconfig, message] of REFUSED) {
  test(`refused: ${what}`, () => {
    assert.throws(
      () => magnumAccess(kubeconfig),
      (error: Error) => {
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /s3cret/);
        return true;
      },
    );
  });
}

test("a kubeconfig without braces is its own template; one with braces goes in a raw block and comes back", () => {
  assert.equal(asTemplate(KUBECONFIG), KUBECONFIG);
  for (const special of ["a: '{{ x }}'\n", "a: {%\n", "b: '{# x'\n", "#jinja2: trim_blocks: false\nx\n"]) {
    assert.equal(asTemplate(special), `{% raw %}${special}{% endraw %}`);
    assert.equal(fromTemplate(asTemplate(special)), special);
  }
  assert.throws(() => asTemplate("x: {% endraw %}"), /endraw/);
});
