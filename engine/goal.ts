/**
 * What the program wants of one resource, decoded from its registration.
 * Upstream analogue: pkg/resource/resource_goal.go and ResourceMonitor.RegisterResource in pkg/resource/deploy/source_eval.go.
 */
import type aliasTypes from "@pulumi/pulumi/proto/alias_pb.js";
import resproto from "@pulumi/pulumi/proto/resource_pb.js";
import type { PropertyMap, Property } from "./property.ts";
import type { Hooks, Timeouts } from "./state.ts";
import { fromStruct, fromWireValue } from "./wire.ts";

/** Another identity a resource may have had. `urn` alone, or parts that differ from the resource's own. */
export interface Alias {
  urn: string;
  name: string;
  type: string;
  stack: string;
  project: string;
  parent: string;
  noParent: boolean;
}

export interface Goal {
  type: string;
  name: string;
  custom: boolean;
  parent: string;
  inputs: PropertyMap;
  /** Reference of the provider, or "" for the default one. */
  provider: string;
  /** References of the providers a component hands to its children, by package. */
  providers: Record<string, string>;
  version: string;
  dependencies: string[];
  propertyDependencies: Record<string, string[]>;
  protect: boolean | undefined;
  retainOnDelete: boolean | undefined;
  deletedWith: string;
  replaceWith: string[];
  deleteBeforeReplace: boolean | undefined;
  ignoreChanges: string[];
  replaceOnChanges: string[];
  replacementTrigger: Property;
  additionalSecretOutputs: string[];
  aliases: Alias[];
  timeouts: Timeouts;
  importId: string;
  hooks: Hooks;
}

type Options = resproto.TransformResourceOptions;

/** The options of a registration in the form transforms see and change. */
export function optionsOf(request: resproto.RegisterResourceRequest): Options {
  const options = new resproto.TransformResourceOptions();
  options.setDependsOnList(request.getDependenciesList());
  if (request.hasProtect()) options.setProtect(request.getProtect() === true);
  options.setIgnoreChangesList(request.getIgnorechangesList());
  options.setReplaceOnChangesList(request.getReplaceonchangesList());
  options.setVersion(request.getVersion());
  options.setAliasesList(request.getAliasesList());
  options.setProvider(request.getProvider());
  options.setCustomTimeouts(request.getCustomtimeouts());
  options.setPluginDownloadUrl(request.getPlugindownloadurl());
  if (request.hasRetainondelete()) options.setRetainOnDelete(request.getRetainondelete() === true);
  options.setDeletedWith(request.getDeletedwith());
  if (request.getDeletebeforereplacedefined() || request.getDeletebeforereplace()) {
    options.setDeleteBeforeReplace(request.getDeletebeforereplace());
  }
  options.setAdditionalSecretOutputsList(request.getAdditionalsecretoutputsList());
  for (const [name, reference] of request.getProvidersMap().entries())
    options.getProvidersMap().set(name, reference);
  options.setHooks(request.getHooks());
  options.setImport(request.getImportid());
  options.setReplaceWithList(request.getReplaceWithList());
  options.setReplacementTrigger(request.getReplacementTrigger());
  return options;
}

/** The goal of a registration with its options and inputs as transforms left them. Throws on a malformed timeout. */
export function goalOf(
  request: resproto.RegisterResourceRequest,
  inputs: PropertyMap,
  options: Options,
): Goal {
  const dependencies: Record<string, string[]> = {};
  for (const [name, urns] of request.getPropertydependenciesMap().entries())
    dependencies[name] = urns.getUrnsList();
  const trigger = options.getReplacementTrigger();
  const urns = request.getAliasurnsList().map((urn) => ({ ...NO_ALIAS, urn }));
  return {
    type: request.getType(),
    name: request.getName(),
    custom: request.getCustom(),
    parent: request.getParent(),
    inputs,
    provider: options.getProvider(),
    providers: Object.fromEntries(options.getProvidersMap().entries()),
    version: options.getVersion(),
    dependencies: options.getDependsOnList(),
    propertyDependencies: dependencies,
    protect: options.hasProtect() ? options.getProtect() : undefined,
    retainOnDelete: options.hasRetainOnDelete() ? options.getRetainOnDelete() : undefined,
    deletedWith: options.getDeletedWith(),
    replaceWith: options.getReplaceWithList(),
    deleteBeforeReplace: options.hasDeleteBeforeReplace() ? options.getDeleteBeforeReplace() : undefined,
    ignoreChanges: options.getIgnoreChangesList(),
    replaceOnChanges: options.getReplaceOnChangesList(),
    replacementTrigger: trigger === undefined ? null : fromWireValue(trigger),
    additionalSecretOutputs: options.getAdditionalSecretOutputsList(),
    aliases: [...urns, ...options.getAliasesList().map(aliasOf)],
    timeouts: timeoutsOf(options.getCustomTimeouts()),
    importId: options.getImport(),
    hooks: hooksOf(options.getHooks()),
  };
}

/** A registration's inputs as sent. */
export function inputsOf(request: resproto.RegisterResourceRequest): PropertyMap {
  return fromStruct(request.getObject());
}

const NO_ALIAS: Alias = { urn: "", name: "", type: "", stack: "", project: "", parent: "", noParent: false };

function aliasOf(alias: aliasTypes.Alias): Alias {
  const spec = alias.getSpec();
  if (spec === undefined) return { ...NO_ALIAS, urn: alias.getUrn() };
  return {
    urn: "",
    name: spec.getName(),
    type: spec.getType(),
    stack: spec.getStack(),
    project: spec.getProject(),
    parent: spec.getParenturn(),
    noParent: spec.getNoparent(),
  };
}

function timeoutsOf(message: resproto.RegisterResourceRequest.CustomTimeouts | undefined): Timeouts {
  const timeouts: Timeouts = {};
  const set = (name: keyof Timeouts, text: string): void => {
    if (text !== "") timeouts[name] = seconds(text);
  };
  if (message === undefined) return timeouts;
  set("create", message.getCreate());
  set("update", message.getUpdate());
  set("delete", message.getDelete());
  return timeouts;
}

const UNITS: Readonly<Record<string, number>> = {
  h: 3600,
  m: 60,
  s: 1,
  ms: 1e-3,
  us: 1e-6,
  µs: 1e-6,
  ns: 1e-9,
};

/** Seconds of a duration as Go spells it ("1h30m", "45s"). */
export function seconds(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join("") !== text) {
    throw new Error(`a timeout must be a duration such as "30m" or "1h30m", not ${JSON.stringify(text)}`);
  }
  return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (UNITS[unit ?? ""] ?? 0), 0);
}

function hooksOf(message: resproto.RegisterResourceRequest.ResourceHooksBinding | undefined): Hooks {
  if (message === undefined) return {};
  const lists: Hooks = {
    BeforeCreate: message.getBeforeCreateList(),
    AfterCreate: message.getAfterCreateList(),
    BeforeUpdate: message.getBeforeUpdateList(),
    AfterUpdate: message.getAfterUpdateList(),
    BeforeDelete: message.getBeforeDeleteList(),
    AfterDelete: message.getAfterDeleteList(),
    OnError: message.getOnErrorList(),
  };
  return Object.fromEntries(Object.entries(lists).filter(([, names]) => names.length > 0));
}
