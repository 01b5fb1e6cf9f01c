/**
 * What the cache holds: the Python environment, the machines' base tree, the empty database, and the Go programs.
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
  return {
    name: "database",
    key: `${readFileSync(constraints, "utf8")}${readFileSync(join(openstackDir, "migrate.sh"), "utf8")} 3`,
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

/** One program built from a Go module, by the module proxy's checksum database. */
function goPart(name: string, module: string, version: string): Part {
  return {
    name,
    key: `${module}@${version} -trimpath`,
    files: [name],
    async build(dir, note) {
      note(`go install ${module}@${version}`);
      await run("go", ["install", "-trimpath", `${module}@${version}`], {
        env: { GOBIN: dir, CGO_ENABLED: "0" },
        onLine: note,
      });
    },
  };
}

/** Its image has this tag, too. */
export const alertmanagerVersion = "v0.28.1";

export const goParts = {
  versitygw: () => goPart("versitygw", "github.com/versity/versitygw/cmd/versitygw", "v1.8.0"),
  helm: () => goPart("helm", "helm.sh/helm/v3/cmd/helm", "v3.22.0"),
  alertmanager: () =>
    goPart("alertmanager", "github.com/prometheus/alertmanager/cmd/alertmanager", alertmanagerVersion),
};
