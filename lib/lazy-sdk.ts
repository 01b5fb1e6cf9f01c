/**
 * Imported ahead of Pulumi's SDK: parts of it that only serve to serialize functions, for dynamic providers, are loaded
 * when somebody does that. Nobody here does, and the TypeScript compiler and npm's resolver of dependencies are two
 * thirds of what an import of the SDK costs.
 */
import Module, { createRequire } from "node:module";

/** As the SDK itself requires. */
const require = createRequire(createRequire(import.meta.url).resolve("@pulumi/pulumi"));

for (const name of ["./typescript-shim.js", "@npmcli/arborist", "normalize-package-data"]) {
  const file = require.resolve(name);
  if (require.cache[file] !== undefined) continue;
  const load = () => {
    if (require.cache[file] === later) delete require.cache[file];
    return require(file) as Record<PropertyKey, unknown>;
  };
  // An ES module for the SDK's own helpers, which would copy its properties otherwise, and so load it.
  const get = (_: object, key: PropertyKey) =>
    key === "__esModule" ? true : key === "default" ? load() : load()[key];
  const later = Object.assign(new Module(file), { loaded: true, exports: new Proxy({}, { get }) });
  require.cache[file] = later;
}
