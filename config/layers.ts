/**
 * Reads defaults.yaml and the files of layers/ from beside this module.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { Layer } from "./load.ts";

/** The defaults and every layer by name. */
export interface LayerFiles {
  readonly defaults: Layer;
  readonly layers: ReadonlyMap<string, Layer>;
}

let own: LayerFiles | undefined;

/** The layer files, read once a process; values of a file that is not YAML throw, naming the file. */
export function readLayers(): LayerFiles {
  return (own ??= layersIn(import.meta.dirname));
}

function layersIn(folder: string): LayerFiles {
  const names = readdirSync(join(folder, "layers"))
    .filter((file) => file.endsWith(".yaml"))
    .map((file) => file.slice(0, -".yaml".length))
    .sort();
  return {
    defaults: layer(join(folder, "defaults.yaml"), "defaults"),
    layers: new Map(
      names.map((name) => [name, layer(join(folder, "layers", `${name}.yaml`), `layers/${name}`)]),
    ),
  };
}

/** A layer that is read when somebody asks for its values: a stack names one or two of them. */
function layer(file: string, name: string): Layer {
  let values: unknown;
  return {
    name,
    get values() {
      try {
        return (values ??= (parse(readFileSync(file, "utf8")) as unknown) ?? {});
      } catch (error) {
        throw new Error(`${file}: ${(error as Error).message}`, { cause: error });
      }
    },
  };
}
