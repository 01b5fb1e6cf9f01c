/**
 * Python environments with packages from PyPI: by uv, which takes a twentieth of pip's processor time, or by pip where uv cannot
 * be had. uv reads none of pip's settings, so they are said to it.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { run } from "../run.ts";
import { cacheDir } from "../site.ts";

const UV = "uv==0.13.8";

/** One call of the installer. */
export interface Installation {
  /** Words that pip and uv both know. */
  words: readonly string[];
  /** Environment of what it builds. */
  env?: Record<string, string>;
}

/** Makes `dir`/venv. Continues in what an interrupted build installed already. */
export async function buildVenv(
  dir: string,
  installations: readonly Installation[],
  note: (text: string) => void,
): Promise<void> {
  const venv = join(dir, "venv");
  const uv = join(dir, "uv");
  note("python3 -m venv");
  await run("python3", ["-m", "venv", venv]);
  const python = join(venv, "bin", "python");
  const pip = ["-m", "pip", "install", "--disable-pip-version-check", "--progress-bar=off"];
  try {
    await run(python, [...pip, "--upgrade", "--target", uv, UV], { onLine: note });
    const { stdout } = await run(python, ["-m", "pip", "config", "list"]);
    const settings = { ...uvEnvironment(stdout, process.env), UV_CACHE_DIR: join(cacheDir, "uv") };
    for (const { words, env } of installations)
      await run(join(uv, "bin", "uv"), ["pip", "install", "--python", python, ...words], {
        env: { ...settings, ...env },
        onLine: note,
      });
  } catch (error) {
    note(`uv failed, pip takes several minutes: ${(error as Error).message}`);
    for (const { words, env } of installations)
      await run(python, [...pip, "--no-compile", ...words], { ...(env && { env }), onLine: note });
  }
  rmSync(uv, { recursive: true, force: true });
  note("byte code");
  // The packages' own tests are half of all files, and nobody runs them. A file that does not compile is not imported either.
  const compile = ["-m", "compileall", "-qq", "-j0", "-x", "/tests?/", join(venv, "lib")];
  await run(python, compile, { allowFailure: true });
}

/**
 * What pip's settings say, in uv's environment variables: an index's address may hold a password.
 * @param list what `pip config list` prints: a line `section.name='value'` a setting; pip's environment variables are a section
 * @param environment where pip's HTTP library finds authorities that no setting names
 */
export function uvEnvironment(list: string, environment: NodeJS.ProcessEnv): Record<string, string> {
  const settings = new Map<string, string>();
  for (const section of ["global", "install", ":env:"]) {
    const line = new RegExp(`^${section}\\.([a-z-]+)=['"](.*)['"]$`, "gm");
    for (const [, name = "", value = ""] of list.matchAll(line))
      settings.set(name.replace("default-timeout", "timeout"), value.replaceAll("\\n", " ").trim());
  }
  const variables = {
    // as pip: the newest of all indexes' versions, and this system's authorities
    UV_INDEX_STRATEGY: "unsafe-best-match",
    UV_SYSTEM_CERTS: "true",
    UV_DEFAULT_INDEX: settings.get("index-url"),
    UV_INDEX: settings.get("extra-index-url"),
    UV_FIND_LINKS: settings.get("find-links")?.replaceAll(/\s+/g, ","),
    UV_INSECURE_HOST: settings.get("trusted-host"),
    UV_OFFLINE: /^(1|true|yes|on)$/i.test(settings.get("no-index") ?? "") ? "true" : undefined,
    UV_HTTP_TIMEOUT: settings.get("timeout"),
    SSL_CERT_FILE: settings.get("cert") ?? environment["REQUESTS_CA_BUNDLE"] ?? environment["CURL_CA_BUNDLE"],
    SSL_CLIENT_CERT: settings.get("client-cert"),
    HTTP_PROXY: settings.get("proxy"),
    HTTPS_PROXY: settings.get("proxy"),
  };
  return Object.fromEntries(Object.entries(variables).filter(([, value]) => value)) as Record<string, string>;
}
