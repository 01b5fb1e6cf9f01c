/** From a request's URL to a file of the mirror; nothing outside the mirror's folder can be named. */
import { join, normalize, sep } from "node:path";

/**
 * @returns the file's path, undefined if the URL is malformed or points outside. `+` stays itself: k3s' releases have it in
 *   their path, as `+` or as `%2B`.
 */
export function mirrorFile(root: string, url: string): string | undefined {
  let path: string;
  try {
    path = decodeURIComponent(url.split(/[?#]/, 1)[0] as string);
  } catch {
    return undefined;
  }
  if (path.includes("\0")) return undefined;
  const file = normalize(join(root, path));
  return file.startsWith(root + sep) ? file : undefined;
}
