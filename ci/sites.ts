/**
 * Which sites a change touches, and the child pipeline that previews just those.
 *
 * A site is a stack: a file Pulumi.<stack>.yaml that is no sample, and whose `pipeline.tier` is not `none`. A change to a
 * stack's own file concerns that site; a change to a configuration layer concerns the sites that name it; any other
 * change that a preview or a deployment can see concerns every site; documentation and tests concern none.
 */
import { inspectStack } from "../config/program.ts";
import { stackNames } from "../config/stackFile.ts";

export interface Site {
  readonly name: string;
  readonly layers: readonly string[];
  /** `staging` sites are deployed by the pipeline of the default branch; all others wait for a person. */
  readonly tier: "staging" | "production" | "none";
}

/** Nothing below these paths is run by a preview or a deployment, or read by one. */
export const WITHOUT_EFFECT: readonly RegExp[] = [
  /^docs\//,
  /^tests\//,
  /^lab\//,
  /^\.ci\//,
  /\.md$/,
  /^(CODEOWNERS|LICENSE|knip\.json|\.editorconfig|\.gitignore)$/,
  /^\.prettier/,
  /^eslint\.config/,
];

/**
 * The sites of a checkout, by name: every stack but samples and those of tier `none`, or those that `only` names,
 * separated by spaces.
 *
 * A site whose file is wrong is still a site: its preview is what tells the author.
 *
 * @throws Error when `only` names a stack that has no file
 */
export function readSites(root: string, only = ""): Site[] {
  const stacks = stackNames(root);
  const wanted = only.split(" ").filter((name) => name !== "");
  const unknown = wanted.filter((name) => !stacks.includes(name));
  if (unknown.length > 0) {
    throw new Error(`CAPI_MGMT_SITES: no such stack (got ${unknown.join(" ")}; legal: ${stacks.join(", ")})`);
  }
  return stacks.flatMap((name): Site[] => {
    const values = inspectStack(root, name).values as StackValues;
    const { layers = [], pipeline, sample = false } = values;
    const tier = pipeline?.tier === "staging" || pipeline?.tier === "none" ? pipeline.tier : "production";
    const isSite = wanted.length > 0 ? wanted.includes(name) : !sample && tier !== "none";
    return isSite ? [{ name, layers, tier }] : [];
  });
}

interface StackValues {
  readonly layers?: string[];
  readonly pipeline?: { readonly tier?: string };
  readonly sample?: boolean;
}

/** The sites that a set of changed files (paths relative to the checkout) concerns. */
export function sitesOf(changed: readonly string[], sites: readonly Site[]): Site[] {
  const concerned = new Set<string>();
  for (const file of changed) {
    const stack = /^Pulumi\.([^/]+)\.yaml$/.exec(file)?.[1];
    const layer = /^config\/layers\/([^/]+)\.yaml$/.exec(file)?.[1];
    if (WITHOUT_EFFECT.some((pattern) => pattern.test(file))) continue;
    for (const site of sites) {
      if (
        stack !== undefined ? site.name === stack : layer !== undefined ? site.layers.includes(layer) : true
      )
        concerned.add(site.name);
    }
  }
  return sites.filter((site) => concerned.has(site.name));
}
