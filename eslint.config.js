import tseslint from "typescript-eslint";
import floors from "./eslint.floors.ts";

export default tseslint.config(
  { ignores: ["node_modules/", ".lab/", ".tmp/"] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/no-floating-promises": [
        "error",
        {
          allowForKnownSafeCalls: [
            { from: "package", package: "node:test", name: ["test", "it", "describe", "suite"] },
          ],
        },
      ],
      "@typescript-eslint/consistent-type-imports": "error",
      eqeqeq: "error",
    },
  },
  floors,
  {
    files: ["components/**"],
    rules: {
      "@typescript-eslint/no-restricted-imports": [
        "error",
        {
          name: "@pulumi/kubernetes",
          message:
            "Import the part that is used (@pulumi/kubernetes/core/v1/index.js): the whole takes twice as long to load.",
        },
      ],
    },
  },
  { files: ["**/*.{js,cjs}"], ...tseslint.configs.disableTypeChecked },
);
