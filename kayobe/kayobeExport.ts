/**
 * Bringing a stack's kubeconfig and driver settings into a kayobe-config repository, and telling whether they are
 * there. Upstream analogue: copying the file by hand and `ansible-vault encrypt`, as stackhpc-kayobe-config's
 * magnum-capi document has it.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { writeAtomically } from "./atomicFile.ts";
import type { Change } from "./ini.ts";
import { inTree, type KayobeTree } from "./kayobeTree.ts";
import { asTemplate, fromTemplate } from "./kollaTemplate.ts";
import { magnumAccess } from "./kubeconfig.ts";
import { type Deployed, mergeMagnumConf } from "./magnumConf.ts";
import { EXIT, CommandError } from "../lib/command-error.ts";
import { isVault, type Vault, WrongPassword } from "./vault.ts";

/** Only the operator reads the file, encrypted or not: stackhpc-kayobe-config's own vault files have it too. */
const KUBECONFIG_MODE = 0o600;
const CONF_MODE = 0o644;

export interface KayobeExport {
  readonly tree: KayobeTree;
  readonly vault: Vault;
  /** Secret. */
  readonly kubeconfig: string;
  /** Undefined: magnum.conf is left alone. */
  readonly deployed: Deployed | undefined;
  /** Replace a kubeconfig that is not encrypted, or with another password. */
  readonly replace: boolean;
}

/** What is to be done with a file. */
export interface FilePlan {
  readonly file: string;
  readonly state: "missing" | "stale" | "current";
  readonly details: readonly string[];
  write(): Promise<void>;
}

/**
 * Compares both files with the stack; nothing is written before `write` of a plan is called.
 *
 * @throws CommandError if a file is there that may not be replaced, or the kubeconfig is not usable
 */
export async function planExport(input: KayobeExport): Promise<FilePlan[]> {
  magnumAccess(input.kubeconfig);
  const kubeconfig = await planKubeconfig(input);
  return input.deployed === undefined ? [kubeconfig] : [kubeconfig, planConf(input.tree, input.deployed)];
}

async function planKubeconfig({ tree, vault, kubeconfig, replace }: KayobeExport): Promise<FilePlan> {
  const template = asTemplate(kubeconfig);
  const file = tree.kubeconfig;
  const write = async () => {
    const encrypted = await vault.encrypt(template);
    mkdirSync(dirname(file), { recursive: true });
    writeAtomically(file, encrypted, KUBECONFIG_MODE);
  };
  const plan = (state: FilePlan["state"], ...details: string[]): FilePlan => ({
    file,
    state,
    details,
    write,
  });
  if (!existsSync(file)) return plan("missing");
  const there = readFileSync(file, "utf8");
  const name = inTree(tree, file);
  const refuse = (reason: string): FilePlan => {
    if (replace) return plan("stale", `replaced as told: ${reason}`);
    throw new CommandError(`${name}: ${reason}; to replace it, say --replace`, EXIT.refused);
  };
  if (!isVault(there)) return refuse("is there and not encrypted with Ansible Vault");
  let plain: string;
  try {
    plain = await vault.decrypt(there);
  } catch (error) {
    if (!(error instanceof WrongPassword)) throw error;
    return refuse("was encrypted with another vault password");
  }
  if (fromTemplate(plain) !== kubeconfig)
    return plan("stale", describeDifference(fromTemplate(plain), kubeconfig));
  // A clone has it with the umask's permissions: they are put right, but that alone makes no file stale.
  const tighten = () => {
    if ((statSync(file).mode & 0o777) !== KUBECONFIG_MODE) chmodSync(file, KUBECONFIG_MODE);
    return Promise.resolve();
  };
  return { ...plan("current"), write: tighten };
}

/** What of the access changed, without saying a secret. */
function describeDifference(before: string, after: string): string {
  try {
    const [old, now] = [magnumAccess(before), magnumAccess(after)];
    if (old.server !== now.server) return `other address: ${old.server} → ${now.server}`;
    if (old.caCert !== now.caCert) return "other certificate authority";
    if (old.token !== now.token) return "other token";
    if (JSON.stringify(old.certificate) !== JSON.stringify(now.certificate))
      return "other client certificate";
    return "other names or layout";
  } catch {
    return "what is there is no usable kubeconfig";
  }
}

function planConf(tree: KayobeTree, deployed: Deployed): FilePlan {
  const file = tree.magnumConf;
  const exists = existsSync(file);
  const { text, changes } = mergeMagnumConf(exists ? readFileSync(file, "utf8") : "", deployed);
  return {
    file,
    state: changes.length === 0 ? "current" : exists ? "stale" : "missing",
    details: exists ? changes.map(describeChange) : [],
    write: () => {
      if (changes.length === 0) return Promise.resolve();
      mkdirSync(dirname(file), { recursive: true });
      writeAtomically(file, text, exists ? statSync(file).mode & 0o777 : CONF_MODE);
      return Promise.resolve();
    },
  };
}

function describeChange({ section, option, from, to }: Change): string {
  return `[${section}] ${option}: ${from === undefined ? "not set" : from.replaceAll("\n", ", ")} → ${to}`;
}
