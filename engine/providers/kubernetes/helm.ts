/**
 * Runs the helm CLI against one cluster, apart from the operator's own helm: caches, repositories and kubeconfig are files
 * of a private folder that is removed afterwards. Upstream analogue: helm's Go library inside pulumi-kubernetes.
 */
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { at, textAt } from "./object.ts";
import { withoutValues } from "./redact.ts";

export interface Target {
  /** The kubeconfig's content. */
  readonly kubeconfig: string;
  readonly context?: string | undefined;
}

interface Run {
  /** Written to helm's standard input. */
  input?: string | undefined;
  signal?: AbortSignal | undefined;
  /** Texts to keep out of errors. */
  secrets?: string[];
}

/** helm said no; the message is its own. */
export class HelmError extends Error {
  override readonly name = "HelmError";
}

/** What `helm get metadata` says of a release. */
export interface Metadata {
  name: string;
  namespace: string;
  revision: number;
  status: string;
  chart: string;
  version: string;
  appVersion: string;
}

export class Helm {
  readonly #folder: string;
  readonly #context: string | undefined;

  private constructor(folder: string, context: string | undefined) {
    this.#folder = folder;
    this.#context = context;
  }

  /** Calls `work` with a helm for `target` and removes its files afterwards. */
  static async use<T>(target: Target, work: (helm: Helm) => Promise<T>): Promise<T> {
    const folder = await mkdtemp(join(tmpdir(), "capi-mgmt-helm-")); // made with mode 0700
    try {
      await writeFile(join(folder, "kubeconfig"), target.kubeconfig, { mode: 0o600 });
      return await work(new Helm(folder, target.context));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** A file in the private folder, mode 0600, for what helm takes by path only. */
  async file(name: string, content: string): Promise<string> {
    const path = join(this.#folder, name);
    await writeFile(path, content, { mode: 0o600 });
    return path;
  }

  /** helm's standard output. Throws HelmError with what it wrote to standard error, without the `secrets`. */
  run(args: string[], options: Run = {}): Promise<string> {
    const binary = process.env["CAPI_MGMT_HELM"] || "helm";
    const context = this.#context === undefined ? [] : ["--kube-context", this.#context];
    const inside = (name: string): string => join(this.#folder, name);
    return new Promise((resolve, reject) => {
      const child = spawn(binary, [...args, ...context], {
        stdio: ["pipe", "pipe", "pipe"],
        // A group of its own: at the terminal's Ctrl-C what is in flight is finished.
        detached: true,
        env: {
          ...withoutHelm(process.env),
          KUBECONFIG: inside("kubeconfig"),
          HELM_CACHE_HOME: inside("cache"),
          HELM_CONFIG_HOME: inside("config"),
          HELM_DATA_HOME: inside("data"),
          HELM_PLUGINS: inside("plugins"),
        },
      });
      const output: Buffer[] = [];
      const errors: Buffer[] = [];
      child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
      child.stderr.on("data", (chunk: Buffer) => errors.push(chunk));
      // SIGTERM lets helm record the failure, and undo it if atomic, before it ends.
      const stop = (): void => void child.kill("SIGTERM");
      options.signal?.addEventListener("abort", stop, { once: true });
      if (options.signal?.aborted === true) stop();
      child.on("error", (error: NodeJS.ErrnoException) => {
        const missing = `helm is not there: put ${binary} on the PATH, or name the binary in CAPI_MGMT_HELM`;
        reject(error.code === "ENOENT" ? new HelmError(missing) : error);
      });
      child.on("close", (code, killer) => {
        options.signal?.removeEventListener("abort", stop);
        if (code === 0) return resolve(Buffer.concat(output).toString());
        const text = cleaned(Buffer.concat(errors).toString() || `ended by ${killer ?? `exit code ${code}`}`);
        reject(new HelmError(withoutValues(text, options.secrets ?? [])));
      });
      child.stdin.on("error", () => undefined); // helm that ends early says why on standard error
      child.stdin.end(options.input ?? "");
    });
  }

  /** The release as helm has recorded it, or undefined. */
  async metadata(name: string, namespace: string, signal?: AbortSignal): Promise<Metadata | undefined> {
    try {
      const args = ["get", "metadata", name, "--namespace", namespace, "--output", "json"];
      return metadataOf(JSON.parse(await this.run(args, { signal })));
    } catch (error) {
      if (error instanceof HelmError && /release: not found/.test(error.message)) return undefined;
      throw error;
    }
  }
}

function metadataOf(value: unknown): Metadata {
  return {
    name: textAt(value, "name"),
    namespace: textAt(value, "namespace"),
    revision: Number(at(value, "revision")),
    status: textAt(value, "status"),
    chart: textAt(value, "chart"),
    version: textAt(value, "version"),
    appVersion: textAt(value, "appVersion"),
  };
}

/** The environment without the operator's own helm settings (HELM_NAMESPACE, HELM_DRIVER and the like). */
function withoutHelm(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([key]) => !key.startsWith("HELM_")));
}

/** helm's message without its prefix and without the warnings that precede it. */
function cleaned(text: string): string {
  const lines = text.split("\n").map((line) => line.trimEnd());
  const kept = lines.filter((line) => line !== "" && !/^(WARNING:|[IWE]\d{4} )/.test(line));
  return (kept.length > 0 ? kept : lines)
    .join("\n")
    .trim()
    .replace(/^Error: /, "");
}
