/**
 * Velero's programs and images in the lab's registry, for whoever switches backups on. No part of `prepare`: compiling takes
 * longer than all that watches clusters, and one test uses it.
 */
import { join } from "node:path";
import { buildGroup } from "../kubernetes/build.ts";
import { backupImages } from "../kubernetes/images.ts";
import { imageFiles, imagesPart } from "../kubernetes/imageStore.ts";
import { backups } from "../kubernetes/programs.ts";
import { run } from "../run.ts";
import { paths } from "../site.ts";
import { ensurePart } from "./cache.ts";
import { seedBasePart } from "./seedBase.ts";

/** Puts the images beside those that the registry has; it reads its folder anew. */
export async function prepareVelero(note: (text: string) => void): Promise<void> {
  const programs = [await buildGroup(backups, note)];
  const tree = join(await ensurePart(seedBasePart(), note), "rootfs");
  const dir = await ensurePart(imagesPart("images-velero", backupImages, { programs, tree }), note);
  await run("cp", ["-rfT", "--link", join(dir, imageFiles.registry), paths.registry]).catch(() =>
    run("cp", ["-rfT", "--reflink=auto", join(dir, imageFiles.registry), paths.registry]),
  );
}
