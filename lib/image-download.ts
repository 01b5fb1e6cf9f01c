/**
 * Downloads an image to the runner and compares it with its publisher's checksum. Upstream analogue: azimuth-ops role
 * community_images.
 */
import { readFileSync } from "node:fs";
import { assignment } from "./shell.ts";

/**
 * A script for `bash -s` that prints the path of the verified file.
 *
 * @param checksum `sha256:<hex>` or `sha512:<hex>`
 */
export function imageDownloadScript(url: string, checksum: string): string {
  const [algorithm = "", sum = ""] = checksum.toLowerCase().split(":");
  return [
    "{",
    assignment("URL", url),
    assignment("SUM_PROGRAM", `${algorithm}sum`),
    assignment("SUM", sum),
    readFileSync(new URL("scripts/image-download.sh", import.meta.url), "utf8").replaceAll(
      /^[ \t]*#.*\n/gm,
      "",
    ),
    "exit 0",
    "}",
    "",
  ].join("\n");
}
