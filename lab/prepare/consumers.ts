/**
 * The programs that consume what we hand over, in a Python environment of their own: ansible-vault and
 * kolla-ansible as a control host has them, Magnum and its Cluster API driver as Magnum's container has them.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../run.ts";
import { projectDir } from "../site.ts";
import { ensurePart, type Part } from "./cache.ts";
import { ensurePackages } from "./packages.ts";
import { buildVenv } from "./python.ts";

const folder = join(projectDir, "lab", "consumers");
const requirements = join(folder, "requirements.txt");
const constraints = join(folder, "constraints.txt");

async function consumersPart(): Promise<Part> {
  const version = (await run("python3", ["--version"])).stdout.trim();
  return {
    name: "consumers",
    key: `${readFileSync(requirements, "utf8")}${readFileSync(constraints, "utf8")}${version}\n`,
    tree: "venv",
    build: (dir, note) => buildVenv(dir, [{ words: ["-c", constraints, "-r", requirements] }], note),
  };
}

/** The environment's folder, made if it is missing: 45 s with a warm pip cache, 250 MB. */
export async function prepareConsumers(note: (text: string) => void, verify = false): Promise<string> {
  await ensurePackages(note);
  return join(await ensurePart(await consumersPart(), note, verify), "venv");
}
