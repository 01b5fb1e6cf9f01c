/**
 * What the cache holds of OpenStack: the Python environment and the empty database.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openstackConfigs, renderIni } from "../openstack/config.ts";
import { run } from "../run.ts";
import { projectDir } from "../site.ts";
import type { Part } from "./cache.ts";
import { buildVenv } from "./python.ts";

const openstackDir = join(projectDir, "lab", "openstack");
const requirements = join(openstackDir, "requirements.txt");
const constraints = join(openstackDir, "constraints.txt");

/**
 * uWSGI of the parts that services/definitions.ts names, not optimised: 14 s of processor time instead of 53 s. A request's time
 * is its Python's.
 */
const uwsgiBuild = { UWSGI_PROFILE: "pyonly", UWSGI_EMBED_PLUGINS: "corerouter,http", CFLAGS: "-O0" };

/** OpenStack and its clients from PyPI. Continues in what an interrupted build installed already. */
export async function pythonPart(): Promise<Part> {
  const version = (await run("python3", ["--version"])).stdout.trim();
  return {
    name: "python",
    key: `${readFileSync(requirements, "utf8")}${readFileSync(constraints, "utf8")}${version}\n`,
    tree: "venv",
    async build(dir, note) {
      const install = ["-c", constraints];
      // uWSGI holds the interpreter it was built with: one from a cache may be another Python's of the same version.
      const uwsgi = { words: ["--no-cache-dir", ...install, "uWSGI"], env: uwsgiBuild };
      await buildVenv(dir, [uwsgi, { words: [...install, "-r", requirements] }], note);
    },
  };
}

/** Every service's schema in one MariaDB data folder: saves a minute of migrations at each first start. */
export function databasePart(python: string): Part {
  const sources = [constraints, join(openstackDir, "migrate.sh"), join(openstackDir, "nova_schema.py")];
  return {
    name: "database",
    key: `${sources.map((file) => readFileSync(file, "utf8")).join("")} 3`,
    tree: "mysql",
    fresh: true,
    async build(dir, note) {
      const config = join(dir, "work");
      const data = join(dir, "work", "data");
      const empty = { servicePassword: "-", octaviaPassphrase: "-".repeat(32) };
      mkdirSync(data, { recursive: true });
      const settings = { data, log: config, etc: config, upstreamEtc: join(python, "etc"), ...empty };
      for (const [name, ini] of Object.entries(openstackConfigs(settings))) {
        writeFileSync(join(config, name), renderIni(ini));
      }
      await run(
        "unshare",
        ["--net", join(openstackDir, "migrate.sh"), join(dir, "mysql"), config, join(python, "bin")],
        {
          env: {
            PYTHONPATH: join(openstackDir, "plugins"),
            CAPI_LAB_STATE: config,
            CAPI_LAB_BELL: join(config, "bell"),
          },
          onLine: note,
        },
      );
      rmSync(config, { recursive: true, force: true });
    },
  };
}
