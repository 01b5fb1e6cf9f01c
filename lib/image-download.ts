/**
 * Downloads an image to the runner and compares it with its publisher's checksum. Upstream analogue: azimuth-ops role
 * community_images.
 */
import { assignment, enclosed, scriptFile } from "./shell.ts";

/**
 * A script for `bash -s` that prints the path of the verified file.
 *
 * @param checksum `sha256:<hex>` or `sha512:<hex>`
 */
export function imageDownloadScript(url: string, checksum: string): string {
  const [algorithm = "", sum = ""] = checksum.toLowerCase().split(":");
  return enclosed([
    assignment("URL", url),
    assignment("SUM_PROGRAM", `${algorithm}sum`),
    assignment("SUM", sum),
    scriptFile("image-download"),
  ]);
}
