/**
 * Velero's programs and images in the lab's registry, for whoever switches backups on. No part of `prepare`: compiling takes
 * longer than all that watches clusters, and one test uses it.
 */
import { join } from "node:path";
import { buildGroup } from "../kubernetes/build.ts";
import { backupImages } from "../kubernetes/images.ts";
import { addToRegistry, imageFiles, imagesPart } from "../kubernetes/imageStore.ts";
import { backups } from "../kubernetes/programs.ts";
import { ensurePart } from "./cache.ts";
import { seedBasePart } from "./seedBase.ts";

/** Puts the images beside those that the registry has. */
export async function prepareVelero(note: (text: string) => void): Promise<void> {
  const programs = [await buildGroup(backups, note)];
  const tree = join(await ensurePart(seedBasePart(), note), "rootfs");
  const dir = await ensurePart(imagesPart("images-velero", backupImages, { programs, tree }), note);
  await addToRegistry(join(dir, imageFiles.registry));
}
