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

/**
 * The layer files.
 *
 * @param folder where defaults.yaml and layers/ are; by default this module's, which is read once a process
 * @throws if a file is not YAML, naming the file
 */
export function readLayers(folder?: string): LayerFiles {
  return folder === undefined ? (own ??= layersIn(import.meta.dirname)) : layersIn(folder);
}

function layersIn(folder: string): LayerFiles {
  const names = readdirSync(join(folder, "layers"))
    .filter((file) => file.endsWith(".yaml"))
    .map((file) => file.slice(0, -".yaml".length))
    .sort();
  return {
    defaults: readLayer(join(folder, "defaults.yaml"), "defaults"),
    layers: new Map(
      names.map((name) => [name, readLayer(join(folder, "layers", `${name}.yaml`), `layers/${name}`)]),
    ),
  };
}

function readLayer(file: string, name: string): Layer {
  try {
    const values = parse(readFileSync(file, "utf8")) as unknown;
    return { name, values: values ?? {} };
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`, { cause: error });
  }
}
