/**
 * Where credentials are found and which are refused, with whole texts. Files are given as a map, none is read.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type CredentialsInput, findCredentials } from "../../config/credentials.ts";
import { formatProblem } from "../../config/problems.ts";
import { CERTIFICATE } from "./certificate.ts";

const ID = "8f1b4ab9d5c84b6c9d2f4c3a2b1c0d9e";
const ENTRY = `
    auth_type: v3applicationcredential
    auth:
      auth_url: https://keystone.example:5000
      application_credential_id: ${ID}
      application_credential_secret: TOPSECRET
`;
const CLOUDS = `clouds:\n  openstack:${ENTRY}`;

function find(files: Record<string, string>, rest: Partial<CredentialsInput> = {}) {
  return findCredentials({
    openstack: { cloud: "openstack" },
    environment: {},
    folder: "/project",
    home: "/home/op",
    read: (file) => files[file],
    ...rest,
  });
}

function problems(files: Record<string, string>, rest: Partial<CredentialsInput> = {}): string[] {
  const { credentials, problems } = find(files, rest);
  assert.equal(credentials, undefined);
  const lines = problems.map(formatProblem);
  assert.equal(lines.join("\n").includes("TOPSECRET"), false);
  return lines;
}

suite("found", () => {
  test("the project's clouds.yaml before the user's before the system's", () => {
    const files = {
      "/project/clouds.yaml": CLOUDS,
      "/home/op/.config/openstack/clouds.yaml": CLOUDS,
      "/etc/openstack/clouds.yaml": CLOUDS,
    };
    const order = Object.keys(files);
    assert.equal(find(files).credentials?.source, order[0]);
    const rest = Object.fromEntries(Object.entries(files).slice(1));
    assert.equal(find(rest).credentials?.source, order[1]);
    assert.equal(find({ "/etc/openstack/clouds.yaml": CLOUDS }).credentials?.source, order[2]);
  });

  test("the file that the environment names, relative to the project", () => {
    const files = { "/project/clouds.yaml": "clouds: {}", "/project/secrets/c.yaml": CLOUDS };
    const environment = { OS_CLIENT_CONFIG_FILE: "secrets/c.yaml" };
    assert.deepEqual(find(files, { environment }), {
      credentials: {
        authUrl: "https://keystone.example:5000",
        applicationCredentialId: ID,
        applicationCredentialSecret: "TOPSECRET",
        interface: "public",
        source: "/project/secrets/c.yaml",
      },
      problems: [],
    });
  });

  test("region, interface, project and CA from clouds.yaml; the configuration decides over it", () => {
    const files = {
      "/project/clouds.yaml": `clouds:
  site:
    region_name: One
    interface: internal
    cacert: ~/ca.pem
    auth_type: v3applicationcredential
    auth:
      auth_url: https://keystone.example:5000
      project_id: ${ID}
      application_credential_id: ${ID}
      application_credential_secret: TOPSECRET
`,
      "/home/op/ca.pem": CERTIFICATE,
    };
    const { credentials } = find(files, { openstack: { cloud: "site" } });
    assert.equal(credentials?.region, "One");
    assert.equal(credentials?.interface, "internal");
    assert.equal(credentials?.projectId, ID);
    assert.equal(credentials?.caCert, CERTIFICATE);
    const over = find(files, { openstack: { cloud: "site", region: "Two", interface: "admin" } });
    assert.equal(over.credentials?.region, "Two");
    assert.equal(over.credentials?.interface, "admin");
  });

  test("the secret from secure.yaml beside clouds.yaml", () => {
    const files = {
      "/project/clouds.yaml": CLOUDS.replace("      application_credential_secret: TOPSECRET\n", ""),
      "/project/secure.yaml":
        "clouds:\n  openstack:\n    auth:\n      application_credential_secret: FROMSECURE\n",
    };
    assert.equal(find(files).credentials?.applicationCredentialSecret, "FROMSECURE");
  });

  test("in the configuration, without a file", () => {
    const openstack = {
      cloud: "openstack",
      authUrl: "https://keystone.example:5000",
      applicationCredentialId: ID,
      applicationCredentialSecret: "TOPSECRET",
    };
    assert.equal(find({}, { openstack }).credentials?.source, "configuration");
  });

  test("placeholders offline, whatever files say", () => {
    const environment = { CAPI_MGMT_OFFLINE: "1", OS_CLIENT_CONFIG_FILE: "/nowhere" };
    const { credentials, problems: none } = find({ "/project/clouds.yaml": "{" }, { environment });
    assert.deepEqual(none, []);
    assert.equal(credentials?.source, "placeholder");
    assert.equal(credentials?.applicationCredentialSecret, "[secret]");
  });
});

suite("refused", () => {
  const AT = "/project/clouds.yaml: clouds.openstack";
  const table: readonly (readonly [
    string,
    Record<string, string>,
    readonly string[],
    Partial<CredentialsInput>?,
  ])[] = [
    [
      "no file",
      {},
      [
        "openstack.cloud: no clouds.yaml found (legal an application credential in /project/clouds.yaml, /home/op/.config/openstack/clouds.yaml, /etc/openstack/clouds.yaml, or openstack.authUrl, openstack.applicationCredentialId and openstack.applicationCredentialSecret)",
      ],
    ],
    [
      "a named file that is not there, though another is",
      { "/project/clouds.yaml": CLOUDS },
      [
        "openstack.cloud: no clouds.yaml found (legal an application credential in /gone.yaml, or openstack.authUrl, openstack.applicationCredentialId and openstack.applicationCredentialSecret)",
      ],
      { environment: { OS_CLIENT_CONFIG_FILE: "/gone.yaml" } },
    ],
    [
      "no such entry",
      { "/project/clouds.yaml": CLOUDS },
      ['openstack.cloud: is not an entry of /project/clouds.yaml (got "prod"; legal openstack)'],
      { openstack: { cloud: "prod" } },
    ],
    [
      "a password",
      {
        "/project/clouds.yaml":
          "clouds:\n  openstack:\n    auth: {auth_url: https://k.example, username: me, password: TOPSECRET}\n",
      },
      [
        `${AT}.auth_type: is a password (got nothing; legal v3applicationcredential: make one with \`openstack application credential create\`)`,
      ],
    ],
    [
      "another kind",
      { "/project/clouds.yaml": "clouds:\n  openstack:\n    auth_type: v3token\n" },
      [
        `${AT}.auth_type: is not an application credential (got "v3token"; legal v3applicationcredential: make one with \`openstack application credential create\`)`,
      ],
    ],
    [
      "an application credential with everything wrong",
      {
        "/project/clouds.yaml": `clouds:
  openstack:
    auth_type: v3applicationcredential
    verify: false
    interface: publik
    cacert: missing.pem
    auth: {auth_url: keystone, application_credential_secret: [TOPSECRET]}
`,
      },
      [
        `${AT}.auth.auth_url: is not valid (got "keystone"; legal the identity endpoint's URL)`,
        `${AT}.auth.application_credential_id: is required (got nothing; legal the application credential's id)`,
        `${AT}.auth.application_credential_secret: is not valid (got a list of 1; legal the application credential's secret)`,
        `${AT}.cacert: is not a file that can be read (got "missing.pem"; legal a file of PEM certificates)`,
        `${AT}.verify: switches TLS verification off (got false; legal true, with cacert naming the certificates that signed the endpoints)`,
        `${AT}.interface: is not valid (got "publik"; legal public, internal, admin)`,
      ],
    ],
    [
      "a CA file with something else in it",
      {
        "/project/clouds.yaml": `clouds:\n  openstack:\n    cacert: ca.pem${ENTRY}`,
        "/project/ca.pem": "TOPSECRET",
      },
      [`${AT}.cacert: is not a file of PEM certificates (got "ca.pem"; legal a file of PEM certificates)`],
    ],
    [
      "broken YAML",
      { "/project/clouds.yaml": "clouds: {openstack: {auth: {password: TOPSECRET" },
      ["/project/clouds.yaml: is not YAML (legal the clouds.yaml that Horizon gives)"],
    ],
    [
      "YAML without clouds",
      { "/project/clouds.yaml": "TOPSECRET" },
      ["/project/clouds.yaml: has no clouds (got nothing; legal a map clouds)"],
    ],
    [
      "half an application credential in the configuration",
      { "/project/clouds.yaml": CLOUDS },
      [
        "openstack.authUrl: is required with the rest of an application credential (got nothing; legal all of openstack.authUrl, openstack.applicationCredentialId, openstack.applicationCredentialSecret, or none of them for clouds.yaml)",
      ],
      { openstack: { applicationCredentialId: ID, applicationCredentialSecret: "TOPSECRET" } },
    ],
  ];
  for (const [name, files, lines, rest] of table) {
    test(name, () => assert.deepEqual(problems(files, rest), lines));
  }
});

suite("the runner's environment", () => {
  const FILES = { "/project/clouds.yaml": CLOUDS };
  const refusal = (environment: Record<string, string>, rest: Partial<CredentialsInput> = {}) =>
    problems(FILES, { environment, ...rest });

  test("a sourced openrc is refused with the names of what would take over, and not their values", () => {
    const openrc = {
      OS_AUTH_URL: "https://k.example",
      OS_PROJECT_ID: "TOPSECRET",
      OS_PROJECT_NAME: "TOPSECRET",
      OS_USER_DOMAIN_NAME: "Default",
      OS_USERNAME: "TOPSECRET",
      OS_PASSWORD: "TOPSECRET",
      OS_REGION_NAME: "R",
      OS_INTERFACE: "public",
      OS_IDENTITY_API_VERSION: "3",
    };
    const names = ["OS_PASSWORD", "OS_PROJECT_ID", "OS_PROJECT_NAME", "OS_USERNAME", "OS_USER_DOMAIN_NAME"];
    assert.deepEqual(refusal(openrc), [
      "environment: would take the place of the site's application credential: resources in another project " +
        `(got ${names.join(", ")}; legal none of them, or OS_CLOUD=openstack: unset ${names.join(" ")})`,
    ]);
  });

  for (const name of [
    ...["OS_USERNAME", "OS_USER_ID", "OS_USER_DOMAIN_ID", "OS_PASSWORD", "OS_TOKEN", "OS_AUTH_TOKEN"],
    ...["OS_SYSTEM_SCOPE", "OS_TENANT_ID", "OS_TENANT_NAME", "OS_PROJECT_ID", "OS_PROJECT_DOMAIN_NAME"],
    ...["OS_DOMAIN_ID", "OS_DOMAIN_NAME", "OS_DEFAULT_DOMAIN", "OS_APPLICATION_CREDENTIAL_NAME"],
  ]) {
    test(`${name} is refused, and means nothing when it is empty`, () => {
      assert.match(refusal({ [name]: "TOPSECRET" }).join(), new RegExp(`^environment: .*got ${name};`));
      assert.deepEqual(find(FILES, { environment: { [name]: "" } }).problems, []);
    });
  }

  test("OS_CLOUD may name the entry that is used, and no other: gophercloud prefers it to what it is given", () => {
    assert.deepEqual(find(FILES, { environment: { OS_CLOUD: "openstack" } }).problems, []);
    assert.match(
      refusal({ OS_CLOUD: "other" }).join(),
      /got OS_CLOUD; legal none of them, or OS_CLOUD=openstack/,
    );
    const explicit = {
      authUrl: "https://k.example",
      applicationCredentialId: ID,
      applicationCredentialSecret: "TOPSECRET",
    };
    assert.match(
      refusal({ OS_CLOUD: "openstack" }, { openstack: explicit }).join(),
      /got OS_CLOUD; legal none of them: unset OS_CLOUD/,
    );
  });

  test("an identity API of 2 would drop the application credential", () => {
    assert.match(refusal({ OS_IDENTITY_API_VERSION: "2.0" }).join(), /got OS_IDENTITY_API_VERSION;/);
  });

  test("it is told together with what is wrong with the credentials", () => {
    const lines = problems({}, { environment: { OS_TOKEN: "TOPSECRET" } });
    assert.match(lines.join("\n"), /^environment: [^]*\nopenstack\.cloud: no clouds\.yaml found/);
  });

  test("an offline plan asks nobody and refuses nothing", () => {
    assert.deepEqual(
      find({}, { environment: { CAPI_MGMT_OFFLINE: "1", OS_TOKEN: "TOPSECRET" } }).problems,
      [],
    );
  });
});
