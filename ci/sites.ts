/**
 * Which sites a change touches, and the child pipeline that previews just those.
 *
 * A site is a stack: a file Pulumi.<stack>.yaml, without the lab's. A change to a stack's own file concerns that site;
 * a change to a configuration layer concerns the sites that name it; any other change that the program can see
 * concerns every site; documentation and tests concern none.
 */
import { inspectStack } from "../config/program.ts";
import { stackNames } from "../config/stackFile.ts";

export interface Site {
  readonly name: string;
  readonly layers: readonly string[];
  /** `staging` sites are deployed by the pipeline of main; `production` sites wait for a person. */
  readonly tier: "staging" | "production";
}

/** Changes below these paths cannot change what a site becomes. */
const WITHOUT_EFFECT = [
  /^docs\//,
  /^tests\//,
  /^lab\//,
  /^engine\//,
  /\.md$/,
  /^\.gitlab-ci\.yml$/,
  /^ci\//,
  /^\.ci\//,
  /^\.gitignore$/,
  /^\.prettier/,
  /^eslint\.config/,
];

/**
 * The sites of a checkout, by name: every stack but the lab's, or those that `only` names, separated by spaces.
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
  return stacks
    .filter((name) => (wanted.length === 0 ? name !== "lab" : wanted.includes(name)))
    .map((name) => {
      const { layers = [], pipeline } = inspectStack(root, name).values as {
        layers?: string[];
        pipeline?: { tier?: string };
      };
      return { name, layers, tier: pipeline?.tier === "staging" ? "staging" : "production" };
    });
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
