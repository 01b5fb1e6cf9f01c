/** What the scenario fixture program is told to make. */

export interface ResourceSpec {
  name: string;
  /** Default: test:index:Thing. */
  type?: string;
  component?: boolean;
  /** Reads this id instead of making anything. */
  get?: string;
  props?: Record<string, unknown>;
  opts?: {
    dependsOn?: string[];
    parent?: string;
    provider?: string;
    protect?: boolean;
    retainOnDelete?: boolean;
    deleteBeforeReplace?: boolean;
    ignoreChanges?: string[];
    replaceOnChanges?: string[];
    additionalSecretOutputs?: string[];
    aliases?: { name?: string; type?: string }[];
    import?: string;
    deletedWith?: string;
    replaceWith?: string[];
    customTimeouts?: { create?: string };
    replacementTrigger?: unknown;
    hook?: "beforeCreate" | "afterCreate" | "beforeDelete";
  };
}

export interface Scenario {
  resources: ResourceSpec[];
  outputs?: Record<string, unknown>;
  /** A configuration report, thrown before anything is made. */
  throwFirst?: string;
  print?: string;
  renameByTransform?: string;
}
