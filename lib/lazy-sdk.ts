/**
 * Imported ahead of Pulumi's SDK: what of it costs much and serves nobody here is left until somebody uses it. Only for
 * programs that run the SDK themselves: to what the CLI's own language host starts, the SDK comes first.
 */
import Module, { createRequire } from "node:module";

/** As the SDK itself requires. */
const require = createRequire(createRequire(import.meta.url).resolve("@pulumi/pulumi"));

/** Puts a module in the place of another until `exports` of it are asked for; `load` then gives the other's. */
function instead(name: string, exportsOf: (load: () => Exports) => PropertyDescriptor): void {
  const file = require.resolve(name);
  if (require.cache[file] !== undefined) return;
  const place = Object.assign(new Module(file), { loaded: true });
  const load = () => {
    if (require.cache[file] === place) delete require.cache[file];
    return require(file) as Exports;
  };
  Object.defineProperty(place, "exports", exportsOf(load));
  require.cache[file] = place;
}

type Exports = Record<PropertyKey, unknown>;

// To serialize functions, for dynamic providers: the TypeScript compiler and npm's resolver of dependencies are two thirds
// of what an import of the SDK costs. The Automation API and the server of providers are half of the rest.
for (const name of [
  ...["./typescript-shim.js", "@npmcli/arborist", "normalize-package-data"],
  ...["./automation/index.js", "./provider/index.js"],
]) {
  instead(name, (load) => ({
    value: new Proxy(
      {},
      {
        // An ES module for the SDK's own helpers, which would copy its properties otherwise, and so load it.
        get: (_, key) => (key === "__esModule" ? true : key === "default" ? load() : load()[key]),
        // What Node asks before it gives a property to an ES module.
        getOwnPropertyDescriptor(_, key) {
          const property = Reflect.getOwnPropertyDescriptor(load(), key);
          return property && { ...property, configurable: true };
        },
      },
    ),
  }));
}

// What the SDK does with each resource, four messages one after the other, which the engine hands back to us as events: a sixth of
// what a preview costs, with values in clear, and nobody here shows them.
instead("./log/index.js", (load) => ({
  get() {
    const log = load() as { debug: (...args: unknown[]) => Promise<void> };
    log.debug = () => Promise.resolve();
    return log;
  },
}));

// Of each promise, as text, where it began: a quarter of what a run of the program costs, and printed only if this
// variable is set.
if (!process.env["PULUMI_DEBUG_PROMISE_LEAKS"]) {
  instead("./runtime/debuggable.js", (load) => ({
    get() {
      const debuggable = load() as { debuggablePromise: (...args: unknown[]) => unknown };
      const { debuggablePromise } = debuggable;
      debuggable.debuggablePromise = (...args) => {
        const { stackTraceLimit } = Error;
        Error.stackTraceLimit = 0;
        try {
          return debuggablePromise(...args);
        } finally {
          Error.stackTraceLimit = stackTraceLimit;
        }
      };
      return debuggable;
    },
  }));
}
