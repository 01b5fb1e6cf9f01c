/**
 * A Release's inputs as helm's options. Upstream analogue: helmCreate and helmUpdate of helm_release.go, which set the
 * same fields on helm's Go API.
 */
import { isMap, type Properties } from "../../values.ts";
import { localChart } from "./chart.ts";
import type { Helm } from "./helm.ts";
import { textAt } from "./object.ts";

/** Seconds; helm's and upstream's default. */
export const DEFAULT_TIMEOUT = 300;

/** Inputs that are a flag of `helm upgrade` when true. */
const FLAGS: [input: string, flag: string][] = [
  ["atomic", "--atomic"],
  ["cleanupOnFail", "--cleanup-on-fail"],
  ["createNamespace", "--create-namespace"],
  ["dependencyUpdate", "--dependency-update"],
  ["devel", "--devel"],
  ["disableOpenapiValidation", "--disable-openapi-validation"],
  ["forceUpdate", "--force"],
  ["renderSubchartNotes", "--render-subchart-notes"],
  ["resetValues", "--reset-values"],
  ["reuseValues", "--reuse-values"],
  ["skipCrds", "--skip-crds"],
  ["takeOwnership", "--take-ownership"],
  ["verify", "--verify"],
];

/** Inputs this provider knows; others are refused. `replace` is what `helm upgrade --install` does anyway. */
export const INPUTS = new Set([
  ...FLAGS.map(([input]) => input),
  ...["allowNullValues", "chart", "checksum", "compat", "description", "disableCRDHooks", "disableWebhooks"],
  ...[
    "keyring",
    "lint",
    "manifest",
    "maxHistory",
    "name",
    "namespace",
    "postrender",
    "replace",
    "repositoryOpts",
  ],
  ...["resourceNames", "skipAwait", "timeout", "valueYamlFiles", "values", "version", "waitForJobs"],
]);

/** Inputs of which upstream's Check keeps the zero value where the program has none (struct Release, helm_release.go). */
const ZEROS: Properties = {
  ...Object.fromEntries(
    [
      ...["allowNullValues", "atomic", "cleanupOnFail", "createNamespace", "dependencyUpdate", "devel"],
      ...["disableCRDHooks", "disableOpenapiValidation", "disableWebhooks", "forceUpdate", "lint"],
      ...["recreatePods", "renderSubchartNotes", "replace", "resetValues", "reuseValues", "skipAwait"],
      ...["skipCrds", "verify", "waitForJobs"],
    ].map((input) => [input, false]),
  ),
  ...{ description: "", keyring: "", postrender: "" },
};

/** The same of `repositoryOpts`. */
const REPOSITORY_ZEROS: Properties = {
  caFile: "",
  certFile: "",
  keyFile: "",
  password: "",
  repo: "",
  username: "",
};

/**
 * Completes a Release's inputs with zero values, as upstream does: the Pulumi CLI then finds what this engine deployed
 * unchanged, and the other way round.
 */
export function withZeros(inputs: Properties): void {
  for (const [input, zero] of Object.entries(ZEROS)) inputs[input] ??= zero;
  const repository = inputs["repositoryOpts"];
  if (isMap(repository)) inputs["repositoryOpts"] = { ...REPOSITORY_ZEROS, ...repository };
}

/** Inputs that upstream has and this provider refuses when set. */
export const REFUSED: Record<string, string> = {
  recreatePods: "helm 3 has no such option any more; annotate the Pod template instead",
};

/** The arguments of `helm upgrade --install`, without the values, which go through standard input. */
export async function upgradeArguments(helm: Helm, inputs: Properties, updating: boolean): Promise<string[]> {
  const timeout = Number(inputs["timeout"] ?? 0) || DEFAULT_TIMEOUT;
  const args = [
    ...["upgrade", "--install", text(inputs, "name"), ...(await chartArguments(helm, inputs))],
    ...["--namespace", text(inputs, "namespace"), "--timeout", `${timeout}s`, "--values", "-"],
    // helm keeps ten revisions unless told; upstream keeps all.
    ...["--history-max", String(Number(inputs["maxHistory"] ?? 0))],
    ...FLAGS.filter(([input]) => inputs[input] === true).map(([, flag]) => flag),
  ];
  const hooks = updating ? inputs["disableCRDHooks"] : inputs["disableWebhooks"];
  if (hooks === true) args.push("--no-hooks");
  if (inputs["skipAwait"] !== true) {
    args.push("--wait");
    if (inputs["waitForJobs"] === true) args.push("--wait-for-jobs");
  }
  for (const [input, option] of [
    ["description", "--description"],
    ["keyring", "--keyring"],
    ["postrender", "--post-renderer"],
  ] as const) {
    if (text(inputs, input) !== "") args.push(option, text(inputs, input));
  }
  return args;
}

/** The chart with where to find it: a path, an OCI reference, or a name with `--repo`; and its version. */
export async function chartArguments(helm: Helm, inputs: Properties): Promise<string[]> {
  const version = text(inputs, "version").trim();
  const versionArguments = version === "" ? [] : ["--version", version];
  const local = localChart(inputs);
  if (local !== undefined) return [local];
  const chart = text(inputs, "chart").trim();
  const option = (name: string): string => textAt(inputs, "repositoryOpts", name);
  const repository = option("repo");
  const files = (["caFile", "certFile", "keyFile"] as const).flatMap((name) =>
    option(name) === "" ? [] : [FILE_OPTIONS[name], option(name)],
  );
  if (chart.startsWith("oci://")) {
    if (option("username") !== "" || option("password") !== "") {
      throw new Error(
        "repositoryOpts: credentials for an OCI registry are not implemented by the embedded engine",
      );
    }
    return [chart, ...versionArguments, ...files];
  }
  if (repository === "")
    throw new Error(`chart: ${chart} is no local chart, and repositoryOpts.repo is not set`);
  if (!/^(https?|file):\/\//.test(repository)) {
    const why =
      "a repository's name in the operator's own helm is not used by the embedded engine; give its URL";
    throw new Error(`repositoryOpts.repo: ${JSON.stringify(repository)}: ${why}`);
  }
  if (option("username") === "" && option("password") === "") {
    return [chart, "--repo", repository, ...versionArguments, ...files];
  }
  // On a command line the password would show in the process list.
  const added = [
    "repo",
    "add",
    "release",
    repository,
    "--username",
    option("username"),
    "--password-stdin",
    ...files,
  ];
  await helm.run(added, { input: option("password"), secrets: [option("password")] });
  return [`release/${chart}`, ...versionArguments];
}

const FILE_OPTIONS = { caFile: "--ca-file", certFile: "--cert-file", keyFile: "--key-file" } as const;

function text(inputs: Properties, key: string): string {
  return textAt(inputs, key);
}
