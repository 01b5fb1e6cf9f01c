/**
 * `bin/kayobe-export STACK`: what Magnum needs of a stack, in the files where kayobe looks for it.
 */
import { type FilePlan, planExport } from "../kayobe/kayobeExport.ts";
import { inTree, type KayobeTree, kayobeTree } from "../kayobe/kayobeTree.ts";
import type { Deployed } from "../kayobe/magnumConf.ts";
import { CommandError, EXIT } from "../lib/command-error.ts";
import { checkReachable } from "../kayobe/reachable.ts";
import { Vault } from "../kayobe/vault.ts";
import { mirrored } from "../lib/mirror.ts";
import { deployedVersion, type Outputs, textOutput } from "../lib/outputs.ts";
import { command, one, stackSettings, UsageError } from "./kit.ts";
import { readOutputs } from "./stackOutputs.ts";

const usage = `Usage: bin/kayobe-export STACK --kayobe-config DIR --vault-password-file FILE [options]

Writes into a kayobe-config repository what Magnum needs of a deployed stack:
  etc/kayobe/[environments/ENV/]kolla/config/magnum/kubeconfig   encrypted by ansible-vault, mode 0600
  etc/kayobe/[environments/ENV/]kolla/config/magnum.conf         [capi_helm] and [drivers], the rest as it is
A file whose content is right stays untouched. Needs ansible-vault in the PATH, as in kayobe's virtual environment,
or its path in ANSIBLE_VAULT.

  --kayobe-config DIR         the repository (the folder that holds etc/kayobe)
  --environment ENV           a kayobe environment of it
  --vault-password-file FILE  password, or program that prints it; default: $ANSIBLE_VAULT_PASSWORD_FILE
  --outputs FILE              take the outputs from what pulumi stack output --json --show-secrets printed; - is stdin
  --chart-version VERSION     openstack-cluster chart of tenants' clusters; default: the deployed one
  --chart-repository URL      its repository; default: the stack's
  --no-magnum-conf            leave magnum.conf alone
  --replace                   replace a kubeconfig that is not encrypted, or with another password
  --check                     write nothing; exit 2 if something is out of date
  --check-reachable           also: this machine reaches the cluster's API with the kubeconfig, and the seed reaches
                              the public OpenStack APIs
  --help

Exit codes: 0 done, or nothing to do; 1 failed, the old files are intact; 2 --check found something out of date;
3 a kubeconfig is there that may not be replaced without --replace; 64 wrong usage.
`;

const options = {
  "kayobe-config": { type: "string" },
  environment: { type: "string" },
  "vault-password-file": { type: "string" },
  outputs: { type: "string" },
  "chart-version": { type: "string" },
  "chart-repository": { type: "string" },
  "no-magnum-conf": { type: "boolean" },
  replace: { type: "boolean" },
  check: { type: "boolean" },
  "check-reachable": { type: "boolean" },
} as const;

process.exitCode = await command({ name: "bin/kayobe-export", usage, options }, async ({ words, values }) => {
  const stack = one(words, "stack");
  const folder = values["kayobe-config"];
  if (folder === undefined) throw new UsageError("--kayobe-config is missing");
  const passwordFile = values["vault-password-file"] ?? process.env["ANSIBLE_VAULT_PASSWORD_FILE"];
  if (passwordFile === undefined) throw new UsageError("--vault-password-file is missing");

  // What needs no stack first: a wrong folder is reported at once.
  const tree = kayobeTree(folder, values.environment);
  const vault = new Vault({ passwordFile });
  const outputs = readOutputs(stack, values.outputs);
  const kubeconfig = textOutput(stack, outputs, "magnumKubeconfig");
  const deployed =
    values["no-magnum-conf"] === true
      ? undefined
      : await driverSettings(stack, outputs, values["chart-version"], values["chart-repository"]);
  const plans = await planExport({ tree, vault, kubeconfig, deployed, replace: values.replace === true });
  if (values["check-reachable"] === true) await checkReachable(stack, outputs, kubeconfig);
  return values.check === true ? reportStale(tree, plans) : write(tree, plans);
});

/** What magnum.conf is made from. */
async function driverSettings(
  stack: string,
  outputs: Outputs,
  version: string | undefined,
  repository: string | undefined,
): Promise<Deployed> {
  const chartVersion = version ?? deployedVersion(outputs, "openstackClusterChart");
  if (chartVersion === undefined) {
    throw new CommandError(
      `stack ${stack} does not tell its chart's version (output versions): say --chart-version, or --no-magnum-conf`,
    );
  }
  const settings = repository === undefined ? await stackSettings(stack) : undefined;
  const chartRepository =
    repository ?? (settings && mirrored(settings.cluster.chart.repository, settings.mirror.url));
  if (chartRepository === undefined) {
    throw new CommandError(
      `Pulumi.${stack}.yaml is not here or not valid, so the chart's repository is not known: say --chart-repository, or --no-magnum-conf`,
    );
  }
  return { chartVersion, chartRepository, clusterApi: deployedVersion(outputs, "clusterApi") };
}

async function write(tree: KayobeTree, plans: readonly FilePlan[]): Promise<number> {
  for (const plan of plans) {
    await plan.write();
    report(tree, plan, { missing: "written", stale: "updated", current: "unchanged" }[plan.state]);
  }
  if (plans.every(({ state }) => state === "current")) return EXIT.ok;
  if (tree.environment !== undefined) console.log(`\nsource kayobe-env --environment ${tree.environment}`);
  else console.log("");
  console.log("kayobe overcloud service reconfigure -kt magnum");
  return EXIT.ok;
}

function reportStale(tree: KayobeTree, plans: readonly FilePlan[]): number {
  for (const plan of plans) report(tree, plan, plan.state);
  return plans.every(({ state }) => state === "current") ? EXIT.ok : EXIT.no;
}

function report(tree: KayobeTree, plan: FilePlan, what: string): void {
  console.log(`${inTree(tree, plan.file)}: ${what}`);
  for (const detail of plan.details) console.log(`  ${detail}`);
}
