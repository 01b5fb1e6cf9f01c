/**
 * Downloads an image to the runner and compares it with its publisher's checksum. Upstream analogue: azimuth-ops role
 * community_images.
 */
import { type ProxySettings, proxyShellFile } from "./proxy.ts";
import { assignment, enclosed, scriptFile } from "./shell.ts";

/** Where a runner keeps images. Not below a home: the path must be the same for everyone who deploys a site. */
const FOLDER = "/var/tmp/capi-mgmt-images";

/**
 * A script for `bash -s` that prints the path of the verified file.
 *
 * @param checksum `sha256:<hex>` or `sha512:<hex>`
 * @param proxy the way out; undefined: what the runner's environment says
 */
export function imageDownloadScript(
  url: string,
  checksum: string,
  proxy?: ProxySettings,
  folder = FOLDER,
): string {
  const [algorithm = "", sum = ""] = checksum.toLowerCase().split(":");
  return enclosed([
    assignment("FOLDER", folder),
    assignment("PROXY", proxyShellFile(proxy)),
    assignment("URL", url),
    assignment("SUM_PROGRAM", `${algorithm}sum`),
    assignment("SUM", sum),
    scriptFile("image-download"),
  ]);
}
