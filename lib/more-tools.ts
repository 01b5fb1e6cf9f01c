/**
 * The tools of `tools.install`: where they come from, and the script that installs them. Upstream analogue: azimuth-ops
 * roles k9s and kustomize.
 */
import type { ToolsConfig } from "../config/schema.ts";
import { mirrored } from "./mirror.ts";
import { script } from "./shell.ts";

export type ToolName = ToolsConfig["install"][number];

interface Source {
  /** ARCH stands for the machine's, by Go's name. */
  readonly url: string;
  /** File of sums. Undefined: the release has none. */
  readonly sums?: string;
  /** Path in the archive. Undefined: the program is served as it is. */
  readonly member?: string;
}

const github = (repository: string, tag: string, file: string) =>
  `https://github.com/${repository}/releases/download/${tag}/${file}`;

/** By tool, what a release is and where. */
export const TOOL_SOURCES: Readonly<Record<ToolName, (version: string) => Source>> = {
  k9s: (version) => ({
    url: github("derailed/k9s", version, "k9s_Linux_ARCH.tar.gz"),
    sums: github("derailed/k9s", version, "checksums.sha256"),
    member: "k9s",
  }),
  kustomize: (version) => ({
    url: github(
      "kubernetes-sigs/kustomize",
      `kustomize%2F${version}`,
      `kustomize_${version}_linux_ARCH.tar.gz`,
    ),
    sums: github("kubernetes-sigs/kustomize", `kustomize%2F${version}`, "checksums.txt"),
    member: "kustomize",
  }),
  clusterctl: (version) => ({ url: github("kubernetes-sigs/cluster-api", version, "clusterctl-linux-ARCH") }),
  crictl: (version) => ({
    url: github("kubernetes-sigs/cri-tools", version, `crictl-${version}-linux-ARCH.tar.gz`),
    sums: github("kubernetes-sigs/cri-tools", version, `crictl-${version}-linux-ARCH.tar.gz.sha256`),
    member: "crictl",
  }),
};

/** Stands for nothing in a list of the shell's, where an empty word would be lost on a reader. */
const NOTHING = "-";

export function moreToolsScript(args: {
  readonly tools: ToolsConfig;
  readonly mirrorUrl?: string | undefined;
  readonly mirrorCaCert?: string | undefined;
}): string {
  const names = [...new Set(args.tools.install)].toSorted();
  const sources = names.map((name) => TOOL_SOURCES[name](args.tools[name].version));
  const from = (url: string | undefined) => (url === undefined ? NOTHING : mirrored(url, args.mirrorUrl));
  return script(["more-tools"], {
    TOOLS: names,
    TOOL_URLS: sources.map(({ url }) => from(url)),
    TOOL_SUMS: names.map((name) => args.tools[name].sha256 ?? NOTHING),
    TOOL_SUM_FILES: sources.map(({ sums }) => from(sums)),
    TOOL_MEMBERS: sources.map(({ member }) => member ?? NOTHING),
    MIRROR_CA: args.mirrorCaCert,
  });
}
