/**
 * Which sites a change touches, and the child pipeline that previews just those.
 *
 * A site is a stack: a file Pulumi.<stack>.yaml, without the lab's. A change to a stack's own file concerns that site;
 * a change to a configuration layer concerns the sites that name it; any other change that the program can see
 * concerns every site; documentation and tests concern none.
 */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

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
  /^Pulumi\.lab\.yaml$/,
];

/**
 * The sites of a checkout, by name.
 *
 * The tier is the stack's `pipeline.tier`; without it a site is production, the one that waits.
 */
export function readSites(root: string): Site[] {
  return globSync("Pulumi.*.yaml", { cwd: root })
    .map((file) => ({ file, name: file.slice("Pulumi.".length, -".yaml".length) }))
    .filter(({ name }) => name !== "lab")
    .map(({ file, name }) => {
      const stack = (parse(readFileSync(join(root, file), "utf8")) ?? {}) as {
        config?: Record<string, unknown>;
      };
      const layers = stack.config?.["capi-mgmt:layers"];
      const pipeline = stack.config?.["capi-mgmt:pipeline"] as { tier?: unknown } | undefined;
      return {
        name,
        layers: Array.isArray(layers) ? layers.map(String) : [],
        tier: pipeline?.tier === "staging" ? ("staging" as const) : ("production" as const),
      };
    })
    .sort((a, b) => a.name.localeCompare(b.name));
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
