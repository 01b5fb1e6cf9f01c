/**
 * kolla-ansible's own role magnum on this machine: its tasks render the configuration of Magnum's containers into a
 * folder, from a kolla/config as kayobe hands it over. No container is started.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const GROUPS = [
  "magnum-api",
  "magnum-conductor",
  "loadbalancer",
  "rabbitmq",
  "memcached",
  "mariadb",
  "control",
];

export interface RenderArgs {
  /** The consumers' Python environment. */
  readonly venv: string;
  /** An empty folder. */
  readonly scratch: string;
  /** kolla/config of a kayobe-config. */
  readonly kollaConfig: string;
  readonly passwordFile: string;
}

/** What the role's task "Copying over kubeconfig file" does with a file, with the same module of ansible-core. */
export function renderTemplate(args: {
  readonly venv: string;
  readonly source: string;
  readonly target: string;
  readonly passwordFile: string;
}): void {
  const words = ["localhost", "--connection", "local", "--module-name", "ansible.builtin.template"];
  const done = spawnSync(
    join(args.venv, "bin", "ansible"),
    [
      ...words,
      "--args",
      `src=${args.source} dest=${args.target}`,
      "--vault-password-file",
      args.passwordFile,
    ],
    { encoding: "utf8", env: { ...process.env, ANSIBLE_NOCOLOR: "1" } },
  );
  assert.equal(done.status, 0, `${done.stdout}${done.stderr}`);
}

/** Renders and answers the folder, with a folder for each container. */
export function renderMagnum({ venv, scratch, kollaConfig, passwordFile }: RenderArgs): string {
  const kolla = join(venv, "share", "kolla-ansible");
  const rendered = join(scratch, "rendered");
  const inventory = join(scratch, "inventory");
  for (const folder of [rendered, inventory]) mkdirSync(folder, { recursive: true });
  symlinkSync(join(kolla, "ansible", "group_vars"), join(inventory, "group_vars"));
  const host = `localhost ansible_connection=local ansible_python_interpreter=${join(venv, "bin", "python")}`;
  writeFileSync(
    join(inventory, "hosts"),
    [host, ...GROUPS.flatMap((group) => [`[${group}]`, "localhost"]), ""].join("\n"),
  );
  const globals = {
    kolla_internal_vip_address: "192.0.2.2",
    // Its default asks a filter of a collection that no Python package carries.
    kolla_same_external_internal_vip: true,
    network_interface: "lo",
    api_interface: "lo",
    enable_magnum: true,
    node_config: scratch,
    node_config_directory: rendered,
    node_custom_config: kollaConfig,
    config_owner_user: "root",
    config_owner_group: "root",
    kolla_action: "config",
  };
  writeFileSync(join(scratch, "globals.json"), JSON.stringify(globals));
  const role = { import_role: { name: "magnum", tasks_from: "config.yml" } };
  writeFileSync(join(scratch, "play.json"), JSON.stringify([{ hosts: "localhost", tasks: [role] }]));
  const passwords = join(scratch, "passwords.yml");
  cpSync(join(kolla, "etc_examples", "kolla", "passwords.yml"), passwords);

  const env = {
    ...process.env,
    PATH: `${join(venv, "bin")}:${process.env["PATH"] ?? ""}`,
    ANSIBLE_NOCOLOR: "1",
    ANSIBLE_ROLES_PATH: join(kolla, "ansible", "roles"),
    ...Object.fromEntries(
      ["action_plugins", "filter_plugins", "library", "module_utils"].map((folder) => [
        `ANSIBLE_${folder.toUpperCase()}`,
        join(kolla, "ansible", folder),
      ]),
    ),
  };
  const program = (name: string, ...args: string[]) => {
    const done = spawnSync(join(venv, "bin", name), args, { env, encoding: "utf8", cwd: scratch });
    assert.equal(done.status, 0, `${name}: ${done.stdout.slice(-4000)}${done.stderr}`);
  };
  program("kolla-genpwd", "-p", passwords);
  const variables = ["-e", "@globals.json", "-e", `@${passwords}`, "--vault-password-file", passwordFile];
  program("ansible-playbook", "-i", join(inventory, "hosts"), ...variables, "play.json");
  return rendered;
}
