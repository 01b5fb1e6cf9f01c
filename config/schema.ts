/**
 * The configuration's one schema: types, documentation and validation come from it. One top-level key is one
 * Pulumi configuration key of namespace capi-mgmt. Fields are in sections/, value formats in formats.ts, default
 * values in defaults.yaml. Upstream analogue: the group variables of an azimuth-config environment.
 *
 * A field without `.optional()` always has a value in a loaded Config: defaults.yaml or the operator gives it.
 */
import { z } from "zod";
import { dnsLabel, flag } from "./formats.ts";
import { cluster } from "./sections/cluster.ts";
import { clusterApi } from "./sections/clusterApi.ts";
import { extras } from "./sections/extras.ts";
import { extraValues } from "./sections/extraValues.ts";
import { backups, logs } from "./sections/logs.ts";
import { kubeconfigs, magnum, monitoring, pipeline, policy, protect } from "./sections/operations.ts";
import { mirror, openstack } from "./sections/openstack.ts";
import { proxy, registries } from "./sections/outside.ts";
import { k3s, seed, tools } from "./sections/seed.ts";

export const configSchema = z.strictObject({
  layers: z.array(dnsLabel).meta({
    description:
      "Files of config/layers, without .yaml, between the defaults and the stack's own values, in order.",
    legal: "a list of names of files in config/layers",
  }),
  sample: flag.optional().meta({
    description:
      "Marks a stack file as an example: the pipeline leaves it out, preflight and a deployment refuse it. A plan works.",
  }),
  openstack,
  mirror,
  registries,
  proxy,
  seed,
  k3s,
  tools,
  clusterApi,
  cluster,
  monitoring,
  logs,
  backups,
  magnum,
  extraValues,
  extras,
  kubeconfigs,
  protect,
  policy,
  pipeline,
});

type DeepReadonly<T> = T extends readonly (infer E)[]
  ? readonly DeepReadonly<E>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;

/** A validated configuration with every default filled in. */
export type Config = DeepReadonly<z.infer<typeof configSchema>>;

export type SeedConfig = Config["seed"];
export type SeedNetworkConfig = SeedConfig["network"];
export type ImageConfig = SeedConfig["image"];
export type K3sConfig = Config["k3s"];
export type ToolsConfig = Config["tools"];
export type ClusterApiConfig = Config["clusterApi"];
export type ClusterConfig = Config["cluster"];
export type MonitoringConfig = Config["monitoring"];
export type MagnumConfig = Config["magnum"];
export type RegistriesConfig = Config["registries"];
export type ProtectConfig = Config["protect"];
export type PolicyConfig = Config["policy"];
