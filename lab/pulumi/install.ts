/**
 * The lab's own place for Pulumi: a PULUMI_HOME with the plugins, and the CLI in the folder of the lab's tools.
 */
import { copyFileSync, existsSync, linkSync, mkdirSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { type PulumiTools, moduleVersion, pluginNames, pluginVersion } from "../prepare/pulumi.ts";
import { stateDir } from "../site.ts";

/** PULUMI_HOME of the lab: plugins, and what the CLI remembers (which stack is selected). */
export const pulumiHome = join(stateDir, "pulumi");

const sourceDir = import.meta.dirname;

/** Puts CLI and plugins in place; nothing where this machine has its own. */
export function installPulumi(tools: PulumiTools, bin: string): void {
  const plugins = join(pulumiHome, "plugins");
  rmSync(plugins, { recursive: true, force: true });
  for (const name of ["pulumi", "pulumi-language-nodejs"]) rmSync(join(bin, name), { force: true });
  if (tools.origin === "machine") return;
  mkdirSync(plugins, { recursive: true });
  for (const folder of readdirSync(tools.plugins))
    linkFolder(join(tools.plugins, folder), join(plugins, folder));
  if (tools.origin === "vendor") {
    symlinkSync(tools.cli, join(bin, "pulumi"));
    return;
  }
  const command = join(plugins, `resource-command-v${pluginVersion("command")}`);
  mkdirSync(command, { recursive: true });
  symlinkSync(
    join(sourceDir, "command", "pulumi-resource-command"),
    join(command, "pulumi-resource-command"),
  );
  // The CLI looks for language hosts beside its own file, so a link that leads to the cache would not do.
  try {
    linkSync(tools.cli, join(bin, "pulumi"));
  } catch {
    copyFileSync(tools.cli, join(bin, "pulumi"));
  }
  symlinkSync(join(sourceDir, "language", "pulumi-language-nodejs"), join(bin, "pulumi-language-nodejs"));
}

/** Links each file: the CLI takes no folder that is itself a link for a plugin. */
function linkFolder(from: string, to: string): void {
  if (!existsSync(join(from))) return;
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) symlinkSync(join(from, name), join(to, name));
}

/** One line a tool for `status`: its version, and whether it is the real thing. */
export function describePulumi(tools: PulumiTools): { name: string; version: string; kind: string }[] {
  if (tools.origin !== "modules") {
    const kind = tools.origin === "machine" ? "real, this machine's" : "real, the vendor's";
    return [
      { name: "pulumi", version: cliVersion(tools), kind },
      ...pluginNames.map((name) => ({ name: `plugin ${name}`, version: pluginVersion(name), kind })),
    ];
  }
  const terraform = "github.com/terraform-provider-openstack/terraform-provider-openstack";
  return [
    {
      name: "pulumi",
      version: moduleVersion("github.com/pulumi/pulumi/pkg/v3"),
      kind: "real, built from its module",
    },
    {
      name: "plugin kubernetes",
      version: pluginVersion("kubernetes"),
      kind: `real, its module ${moduleVersion("github.com/pulumi/pulumi-kubernetes/provider/v4")}`,
    },
    {
      name: "plugin openstack",
      version: pluginVersion("openstack"),
      kind: `bridged, Terraform's ${moduleVersion(terraform)}`,
    },
    { name: "plugin command", version: pluginVersion("command"), kind: "stand-in (lab/pulumi/command)" },
    { name: "language nodejs", version: "-", kind: "stand-in over the SDK's launcher" },
  ];
}

/** The version that a folder of the vendor's is named after; the machine's own CLI is asked. */
function cliVersion(tools: PulumiTools): string {
  return tools.origin === "vendor" ? `v${dirname(dirname(tools.cli)).split("/").at(-1)}` : "on PATH";
}
