/**
 * Pulumi's CLI and the plugins of the program, from the first place that has them: this machine, the vendor's download by
 * the npm package `pulumi`, Go modules.
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { moduleVersion as versionIn } from "../kubernetes/programs.ts";
import { run } from "../run.ts";
import { projectDir } from "../site.ts";
import { type Part, ensurePart, hasPart } from "./cache.ts";
import { goBuilder, goFlags, goVersion, linkerFlags } from "./goBuild.ts";

/** Where CLI and plugins come from. */
export interface PulumiTools {
  /** `machine`: all was here; `vendor`: the npm package fetched it; `modules`: built from Go modules, with stand-ins. */
  origin: "machine" | "vendor" | "modules";
  /** Path of the CLI. */
  cli: string;
  /** Folder with `resource-<name>-v<version>` folders; empty for `machine`, where Pulumi's own home has them. */
  plugins: string;
}

/** The program's plugins, by the name Pulumi gives them. */
export const pluginNames = ["command", "kubernetes", "openstack"] as const;

const sourceDir = join(projectDir, "lab", "pulumi");
const modules = createRequire(import.meta.url);

/** Version of a plugin: that of the SDK the program imports. */
export function pluginVersion(name: (typeof pluginNames)[number]): string {
  return (modules(`@pulumi/${name}/package.json`) as { version: string }).version;
}

/** Name of a plugin's folder in a PULUMI_HOME. */
const pluginFolder = (name: (typeof pluginNames)[number]): string =>
  `resource-${name}-v${pluginVersion(name)}`;

/** Finds, fetches or builds the tools; says which in `note`. */
export async function preparePulumi(note: (text: string) => void, verify = false): Promise<PulumiTools> {
  const here = await onThisMachine();
  if (here !== undefined) return { origin: "machine", cli: here, plugins: "" };
  const [fetched, built] = [vendorPart(), await modulesPart()];
  // What was built before is not fetched again: where the vendor cannot be reached, asking costs time at each start.
  if (hasPart(fetched) || !hasPart(built)) {
    try {
      return vendorTools(await ensurePart(fetched, note, verify));
    } catch (error) {
      note(
        `the vendor's download failed (${(error as Error).message.split("\n").at(-1)}): building from modules`,
      );
    }
  }
  const dir = await ensurePart(built, note, verify);
  return { origin: "modules", cli: join(dir, "pulumi"), plugins: join(dir, "plugins") };
}

/** The CLI on PATH if Pulumi's home has every plugin. The npm package's is not one: it is a launcher that downloads. */
async function onThisMachine(): Promise<string | undefined> {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const outside = folders.filter(
    (folder) => !folder.startsWith(projectDir) && !folder.endsWith("node_modules/.bin"),
  );
  const cli = outside.map((folder) => join(folder, "pulumi")).find((file) => existsSync(file));
  if (cli === undefined) return undefined;
  const listed = await run(cli, ["plugin", "ls", "--json"], { allowFailure: true });
  if (listed.code !== 0) return undefined;
  const plugins = JSON.parse(listed.stdout) as { name: string; version: string }[];
  const complete = pluginNames.every((name) =>
    plugins.some((plugin) => plugin.name === name && plugin.version === pluginVersion(name)),
  );
  return complete ? cli : undefined;
}

/** The npm package fetches CLI and language hosts when it first runs, and that CLI the plugins. */
function vendorPart(): Part {
  const version = (modules("pulumi/package.json") as { version: string }).version;
  return {
    name: "pulumi-vendor",
    key: [version, ...pluginNames.map(pluginFolder)].join(" "),
    async build(dir, note) {
      const launcher = join(projectDir, "node_modules", ".bin", "pulumi");
      const env = { PULUMI_HOME: dir, PULUMI_SKIP_UPDATE_CHECK: "true" };
      note(`fetching pulumi ${version}`);
      await run(launcher, ["version"], { env, onLine: note, timeout: FETCH_MS });
      for (const name of pluginNames) {
        note(`fetching plugin ${name}`);
        const words = ["plugin", "install", "resource", name, pluginVersion(name)];
        await run(launcher, words, { env, onLine: note, timeout: FETCH_MS });
      }
    },
  };
}

/** A download that takes longer than this, in milliseconds, is given up. */
const FETCH_MS = 10 * 60 * 1000;

function vendorTools(dir: string): PulumiTools {
  const [version = ""] = readdirSync(join(dir, "versions"));
  return {
    origin: "vendor",
    cli: join(dir, "versions", version, "bin", "pulumi"),
    plugins: join(dir, "plugins"),
  };
}

/** Module paths of what is built, with the name each gets. */
const programs = {
  pulumi: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
  kubernetes: "./kubernetes",
  openstack: "./openstack",
} as const;

const kubernetesModule = "github.com/pulumi/pulumi-kubernetes/provider/v4";

/** Version of a module that lab/pulumi/go.mod has. */
export const moduleVersion = (path: string): string => versionIn(path, sourceDir);

/** Versions that CLI and plugins tell. */
const versions = (): Record<string, string> => ({
  "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": moduleVersion(
    "github.com/pulumi/pulumi/pkg/v3",
  ).slice(1),
  [`${kubernetesModule}/pkg/version.Version`]: pluginVersion("kubernetes"),
  "main.version": pluginVersion("openstack"),
});

/** CLI and provider plugins in one build, so that what they share is compiled once. */
async function modulesPart(): Promise<Part> {
  const go = await goVersion(sourceDir, "Pulumi is");
  const sources = readdirSync(sourceDir, { recursive: true, encoding: "utf8" }).filter((file) =>
    /\.go$|go\.(mod|sum)$/.test(file),
  );
  const content = sources.sort().map((file) => `${file}\n${readFileSync(join(sourceDir, file), "utf8")}`);
  const plugin = (name: "kubernetes" | "openstack") =>
    join("plugins", pluginFolder(name), `pulumi-resource-${name}`);
  return {
    name: "pulumi",
    key: [go, JSON.stringify(goFlags), linkerFlags(versions()), ...content].join("\n"),
    files: ["pulumi", plugin("kubernetes"), plugin("openstack")],
    async build(dir, note) {
      const out = join(dir, "build");
      mkdirSync(out, { recursive: true });
      await goBuilder(sourceDir, versions(), note)(out, Object.values(programs));
      renameSync(join(out, "pulumi"), join(dir, "pulumi"));
      for (const name of ["kubernetes", "openstack"] as const) {
        mkdirSync(dirname(join(dir, plugin(name))), { recursive: true });
        renameSync(join(out, name), join(dir, plugin(name)));
      }
      await kubernetesFiles(dirname(join(dir, plugin("kubernetes"))));
    },
  };
}

/** The provider's schema and mapping, which its module carries and its library wants given. */
async function kubernetesFiles(folder: string): Promise<void> {
  const { stdout } = await run("go", ["list", "-m", "-f", "{{.Dir}}", kubernetesModule], { cwd: sourceDir });
  const from = join(stdout.trim(), "cmd", "pulumi-resource-kubernetes");
  for (const name of ["schema.json", "terraform-mapping.json"])
    copyFileSync(join(from, name), join(folder, name));
}
