/** Options are set in an oslo.config file without touching anything else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { iniValue, setIni } from "../../kayobe/ini.ts";

const FILE = `# Site settings. Keep!
[DEFAULT]
debug = True   ; not a comment for oslo

[capi_helm]
# ours is older on purpose
default_helm_chart_version=0.10.1
csi_cinder_allowed_topologies = a,
    b,

    c
kubeconfig_file: /x

[keystone_auth]
password = a=b:c
`;

test("one line changes, every other byte stays", () => {
  const { text, changes } = setIni(FILE, { capi_helm: { default_helm_chart_version: "0.27.0" } });
  assert.equal(
    text,
    FILE.replace("default_helm_chart_version=0.10.1", "default_helm_chart_version = 0.27.0"),
  );
  assert.deepEqual(changes, [
    { section: "capi_helm", option: "default_helm_chart_version", from: "0.10.1", to: "0.27.0" },
  ]);
});

test("a value that is right is left alone, whatever its spacing", () => {
  const { text, changes } = setIni(FILE, {
    capi_helm: { default_helm_chart_version: "0.10.1", kubeconfig_file: "/x" },
    keystone_auth: { password: "a=b:c" },
  });
  assert.equal(text, FILE);
  assert.deepEqual(changes, []);
});

test("a missing option goes behind its section's last line, before the blank ones", () => {
  const { text } = setIni(FILE, { capi_helm: { helm_chart_name: "openstack-cluster" } });
  assert.equal(
    text,
    FILE.replace("kubeconfig_file: /x\n", "kubeconfig_file: /x\nhelm_chart_name = openstack-cluster\n"),
  );
});

test("a missing section goes to the end", () => {
  const { text } = setIni(FILE, { drivers: { disabled_drivers: "x" } });
  assert.equal(text, `${FILE}\n[drivers]\ndisabled_drivers = x\n`);
  assert.equal(setIni("", { drivers: { disabled_drivers: "x" } }).text, "[drivers]\ndisabled_drivers = x\n");
});

test("a value on several lines is replaced whole", () => {
  const text = "[a]\nlist = one,\n  two,\n  three\nnext = 1\n";
  assert.equal(iniValue(text, "a", "list"), "one,\ntwo,\nthree");
  assert.equal(setIni(text, { a: { list: "x" } }).text, "[a]\nlist = x\nnext = 1\n");
});

test("of an option given twice the last one counts and changes", () => {
  const text = "[a]\nx = 1\nx = 2\n[b]\nx = 3\n[a]\ny = 1\n";
  assert.equal(iniValue(text, "a", "x"), "2");
  assert.equal(setIni(text, { a: { x: "9" } }).text, text.replace("x = 2", "x = 9"));
  assert.equal(setIni(text, { a: { y: "2" } }).text, text.replace("y = 1", "y = 2"));
});

test("comments and options of the same name elsewhere are not taken for the option", () => {
  const text = "[b]\nx = 3\n[a]\n# x = 1\n; x = 2\n";
  assert.equal(iniValue(text, "a", "x"), undefined);
  assert.equal(setIni(text, { a: { x: "9" } }).text, "[b]\nx = 3\n[a]\n# x = 1\n; x = 2\nx = 9\n");
});
