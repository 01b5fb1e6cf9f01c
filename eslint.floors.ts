/**
 * Which folder may import which: the floors of docs/architecture.md as a lint rule. tests/house/floors.test.ts shows that
 * it refuses what it should and that the floors have no circle.
 */
import { dirname, relative, resolve, sep } from "node:path";
import type { Linter, Rule } from "eslint";

/** What operators and pipelines run stands on these. */
const GROUND = ["config", "lib"];

/** By folder, the folders that it may import; a folder that is not here may import every other. */
export const FLOORS: Readonly<Record<string, readonly string[]>> = {
  config: [],
  lib: ["config"],
  components: [...GROUND],
  "index.ts": [...GROUND, "components", "preflight"],
  openstack: [...GROUND],
  state: [...GROUND],
  releases: [...GROUND],
  automation: [...GROUND, "state"],
  policy: [...GROUND],
  plan: [...GROUND, "policy", "index.ts"],
  preflight: [...GROUND, "openstack", "state"],
  kayobe: [...GROUND, "openstack", "releases"],
  operate: [...GROUND, "kayobe", "state"],
  ci: [...GROUND, "automation", "policy", "plan", "preflight", "releases", "state"],
  bin: [...GROUND, "automation", "kayobe", "operate", "plan", "policy", "preflight", "releases", "state"],
  lab: [...GROUND, "automation", "openstack", "preflight", "state"],
};

/** The folder of the project that a file is in, or the file's own name at the top. */
function floorOf(root: string, file: string): string {
  return relative(root, file).split(sep)[0] ?? "";
}

const rule: Rule.RuleModule = {
  meta: {
    type: "problem",
    schema: [],
    messages: {
      floor: "{{from}} may not import {{to}}: it stands on {{allowed}} only (docs/architecture.md, Floors)",
    },
  },
  create(context) {
    const from = floorOf(context.cwd, context.filename);
    const allowed = FLOORS[from];
    if (allowed === undefined) return {};
    const check = (node: Rule.Node) => {
      const { source } = node as { source?: Rule.Node & { value?: unknown } };
      const name = source?.value;
      if (source === undefined || typeof name !== "string" || !name.startsWith(".")) return;
      const to = floorOf(context.cwd, resolve(dirname(context.filename), name));
      if (to === from || allowed.includes(to)) return;
      const data = { from, to, allowed: allowed.join(", ") || "nothing of the project" };
      context.report({ node: source, messageId: "floor", data });
    };
    return {
      ImportDeclaration: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
      ImportExpression: check,
      TSImportType: check,
    };
  },
};

/** The rule and where it holds. */
const floors: Linter.Config = {
  files: ["**/*.ts"],
  plugins: { house: { rules: { floors: rule } } },
  rules: { "house/floors": "error" },
};
export default floors;
