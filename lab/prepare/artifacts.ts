import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stateDir } from "../site.ts";
import type { PulumiTools } from "./pulumi.ts";

/** What `prepare` provides to the services. */
export interface Artifacts {
  /** Python virtual environment with the OpenStack services and clients. */
  python: string;
  /** Root folder of the machines' operating system. */
  seedBase: string;
  /** What machines have above it, and the trees and image stores of Kubernetes nodes: see nodeBase.ts. */
  nodeBase: string;
  /** MariaDB data folder with every service's schema, no content. */
  database: string;
  versitygw: string;
  helm: string;
  alertmanager: string;
  /** Folder with every program that nodes and clusters run, by upstream's names. */
  programs: string;
  /** The lab's k3s binary; called kubectl, it is kubectl. */
  k3s: string;
  /** Pulumi's CLI and plugins. */
  pulumi: PulumiTools;
}

const file = join(stateDir, "artifacts.json");

/** Keeps what a site is started with. */
export function keepArtifacts(artifacts: Artifacts): void {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  writeFileSync(file, `${JSON.stringify(artifacts, null, 2)}\n`);
}

/**
 * What the site was started with. Commands that use a running site take this: they must not build anything.
 * @throws Error if there is no site.
 */
export function siteArtifacts(): Artifacts {
  if (!existsSync(file)) throw new Error("the lab is not started: npm run lab -- start");
  return JSON.parse(readFileSync(file, "utf8")) as Artifacts;
}
