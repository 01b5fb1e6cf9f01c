/**
 * Where a kayobe-config repository keeps what Magnum needs. Upstream analogue: kayobe's kolla/config paths and its
 * environments; stackhpc-kayobe-config, doc/source/configuration/magnum-capi.rst.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { CommandError } from "../lib/command-error.ts";

export interface KayobeTree {
  /** The repository. */
  readonly root: string;
  readonly environment: string | undefined;
  /** kolla/config of the repository or of its environment. */
  readonly kollaConfig: string;
  /** The vault-encrypted kubeconfig. */
  readonly kubeconfig: string;
  /** Settings for Magnum's own file. */
  readonly magnumConf: string;
}

/**
 * Finds the files in a kayobe-config repository; they need not exist.
 *
 * @throws CommandError if the folder is no kayobe-config, or has no such environment
 */
export function kayobeTree(root: string, environment: string | undefined): KayobeTree {
  if (!isFolder(root)) throw new CommandError(`${root}: no such folder`);
  const etc = join(root, "etc", "kayobe");
  // Every kayobe-config has kolla.yml: kayobe's own etc/ has it, and what to deploy stands there.
  if (!existsSync(join(etc, "kolla.yml"))) {
    const hint =
      basename(root) === "kayobe" && existsSync(join(root, "kolla.yml"))
        ? "give the repository, two folders up"
        : "a kayobe-config repository has etc/kayobe/kolla.yml";
    throw new CommandError(`${root}: not a kayobe-config repository (${hint})`);
  }
  const environments = join(etc, "environments");
  const there = isFolder(environments) ? folders(environments) : [];
  if (environment !== undefined && !there.includes(environment)) {
    const legal = there.length === 0 ? "it has no environments" : `there are: ${there.join(", ")}`;
    throw new CommandError(`${root}: no environment ${environment} (${legal})`);
  }
  const base = environment === undefined ? etc : join(environments, environment);
  const kollaConfig = join(base, "kolla", "config");
  return {
    root,
    environment,
    kollaConfig,
    kubeconfig: join(kollaConfig, "magnum", "kubeconfig"),
    magnumConf: join(kollaConfig, "magnum.conf"),
  };
}

/** A file's path as one reads it in the repository. */
export function inTree(tree: KayobeTree, file: string): string {
  return relative(tree.root, file);
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function folders(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}
