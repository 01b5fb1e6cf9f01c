/**
 * The Debian packages the lab runs. Nothing is asked of the network when all are there.
 */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { run } from "../run.ts";

const packages = [
  ...[
    "mariadb-server",
    "rabbitmq-server",
    "nftables",
    "haproxy",
    "systemd-container",
    "mmdebstrap",
    "xfsprogs",
    "iproute2",
  ],
  ...[
    "openssh-client",
    "util-linux",
    "openssl",
    "python3-venv",
    "python3-dev",
    "gcc",
    "libc6-dev",
    "jq",
    "kmod",
  ],
  ...["ca-certificates", "debian-archive-keyring", "procps", "docker-registry", "tinyproxy-bin"],
];

/** Names of packages that are not installed. */
async function missingPackages(): Promise<string[]> {
  const { stdout } = await run("dpkg-query", ["-W", "-f=${Package} ${db:Status-Status}\n", ...packages], {
    allowFailure: true,
  });
  const installed = new Set(
    stdout.split("\n").flatMap((line) => (line.endsWith(" installed") ? [line.split(" ")[0] as string] : [])),
  );
  return packages.filter((name) => !installed.has(name));
}

const policy = "/usr/sbin/policy-rc.d";

/** Installs what is missing. The packages' own daemons are not started: the lab runs its own, with its own data. */
export async function ensurePackages(note: (text: string) => void): Promise<void> {
  const missing = await missingPackages();
  if (missing.length === 0) return;
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    note("apt-get update");
    await run("apt-get", ["update", "-q"], { env });
    note(missing.join(" "));
    await run("apt-get", ["install", "-y", "-q", "--no-install-recommends", ...missing], {
      env,
      onLine: note,
    });
  } finally {
    if (ours) rmSync(policy, { force: true });
  }
}
