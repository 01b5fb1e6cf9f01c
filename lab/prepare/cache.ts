/**
 * Parts that are built once and reused by every clone: a folder `<part>-<hash of what it is made from>` in the user's cache.
 * A part counts only with its completion record, written last; an interrupted build is continued or begun again by the next run.
 */
import { createHash } from "node:crypto";
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  statfsSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { pipeline } from "node:stream/promises";
import { sleep } from "../run.ts";
import { cacheDir } from "../site.ts";

export interface Part {
  /** Part of the folder's name. */
  name: string;
  /** Everything the result depends on; another text is another folder. */
  key: string;
  /** Files whose content is recorded and compared (binaries), relative to the part's folder. */
  files?: string[];
  /** A tree whose list of paths and sizes is recorded and compared; byte code that Python writes later is left out. */
  tree?: string;
  /** Builds into the folder. What an interrupted build left may still be there, unless `fresh`. */
  build: (dir: string, note: (text: string) => void) => Promise<void>;
  /** true: remains of an interrupted build are removed first. */
  fresh?: boolean;
}

interface Completion {
  name: string;
  builtAt: string;
  seconds: number;
  files: Record<string, string>;
  tree?: string;
}

/** First twelve hex digits of a text's SHA-256. */
const shortHash = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 12);

export const partDir = (part: Pick<Part, "name" | "key">): string =>
  join(cacheDir, `${part.name}-${shortHash(part.key)}`);

/** Whether the part is in the cache; its content is not compared. */
export const hasPart = (part: Pick<Part, "name" | "key">): boolean =>
  existsSync(join(partDir(part), "complete.json"));

/**
 * The part's folder, built if it is missing.
 * @param verify compare recorded content too, and build again what differs. Default false: the completion record is trusted.
 */
export async function ensurePart(part: Part, note: (text: string) => void, verify = false): Promise<string> {
  const dir = partDir(part);
  if (await isComplete(part, dir, verify, note)) return dir;
  mkdirSync(cacheDir, { recursive: true });
  const unlock = await lock(`${dir}.lock`, note);
  try {
    if (await isComplete(part, dir, verify, note)) return dir; // another run built it meanwhile
    const started = performance.now();
    if (part.fresh) rmSync(dir, { recursive: true, force: true });
    rmSync(join(dir, "complete.json"), { force: true });
    mkdirSync(dir, { recursive: true });
    await part.build(dir, note);
    const completion: Completion = {
      name: part.name,
      builtAt: new Date().toISOString(),
      seconds: Math.round((performance.now() - started) / 1000),
      files: Object.fromEntries(
        await Promise.all(
          (part.files ?? []).map(async (file) => [file, await sha256(join(dir, file))] as const),
        ),
      ),
      ...(part.tree === undefined ? {} : { tree: treeHash(join(dir, part.tree)) }),
    };
    writeFileSync(join(dir, "complete.json"), `${JSON.stringify(completion, null, 2)}\n`);
    removeUnused(part.name);
    return dir;
  } finally {
    unlock();
  }
}

/** SHA-256 that was recorded when a file of a part was built: what the file is, whatever its part is called. */
export function recordedHash(file: string): string {
  const completion = JSON.parse(readFileSync(join(dirname(file), "complete.json"), "utf8")) as Completion;
  const hash = completion.files[basename(file)];
  if (hash === undefined) throw new Error(`${file} is no recorded file of its part`);
  return hash;
}

async function isComplete(
  part: Part,
  dir: string,
  verify: boolean,
  note: (text: string) => void,
): Promise<boolean> {
  let completion: Completion;
  try {
    completion = JSON.parse(readFileSync(join(dir, "complete.json"), "utf8")) as Completion;
  } catch {
    return false;
  }
  if (
    ![...(part.files ?? []), ...(part.tree ? [part.tree] : [])].every((file) => existsSync(join(dir, file)))
  ) {
    return false;
  }
  const now = new Date();
  utimesSync(join(dir, "complete.json"), now, now); // in use, see removeUnused
  if (!verify) return true;
  note("checking");
  for (const [file, recorded] of Object.entries(completion.files)) {
    if ((await sha256(join(dir, file))) !== recorded) return false;
  }
  return part.tree === undefined || completion.tree === treeHash(join(dir, part.tree));
}

const HOUR = 60 * 60 * 1000;
/** What nobody asked for in this time goes. Other clones may use it until then. */
const KEPT = 7 * 24 * HOUR;
/** Of one name, as many stay at least so long: a day's work at the lab makes more versions than a disk holds. */
const MANY = { count: 3, kept: 6 * HOUR };

/** Removes parts of this name that nobody asked for lately: each change of the sources makes another. */
function removeUnused(name: string): void {
  const records = readdirSync(cacheDir)
    .filter((folder) => folder.replace(/-[0-9a-f]{12}$/, "") === name)
    .map((folder) => join(cacheDir, folder, "complete.json"))
    .filter((record) => existsSync(record))
    .map((record) => ({ folder: dirname(record), unused: Date.now() - statSync(record).mtimeMs }))
    .sort((a, b) => a.unused - b.unused);
  for (const [index, { folder, unused }] of records.entries())
    if (unused > (index < MANY.count ? KEPT : MANY.kept)) rmSync(folder, { recursive: true, force: true });
}

/** Free space that a start needs, in bytes: machines, volumes and images of one site. A full disk damages databases. */
const NEEDED = 5e9;

/**
 * Refuses to go on with a disk that is nearly full.
 * @param folders each of them, or the next one above it that there is
 * @param free bytes that are free where a folder lies
 */
export function requireSpace(folders: readonly string[], free = freeSpace): void {
  const gigabytes = (bytes: number) => (bytes / 1e9).toFixed(1);
  for (const folder of folders) {
    const bytes = free(folder);
    if (bytes >= NEEDED) continue;
    throw new Error(
      `${folder}: ${gigabytes(bytes)} GB free, the lab needs ${gigabytes(NEEDED)} GB\n` +
        `\`npm run lab -- reset\` removes the site, \`go clean -cache\` what Go compiled; folders of ${cacheDir} are built again when they are missing`,
    );
  }
}

function freeSpace(folder: string): number {
  if (!existsSync(folder)) return freeSpace(dirname(folder));
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

export async function sha256(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

/** Hash of a tree's paths, kinds and sizes: finds what is missing or cut short, in a second where contents would take ten. */
export function treeHash(root: string): string {
  const hash = createHash("sha256");
  const walk = (dir: string) => {
    const entries = readdirSync(dir, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      if (entry.name === "__pycache__") continue;
      const path = join(dir, entry.name);
      if (entry.isDirectory()) walk(path);
      else if (entry.isFile()) hash.update(`${relative(root, path)} ${statSync(path).size}\n`);
      else hash.update(`${relative(root, path)} special\n`);
    }
  };
  walk(root);
  return hash.digest("hex");
}

/** Takes a lock file; one whose process is gone is taken over. */
async function lock(path: string, note: (text: string) => void): Promise<() => void> {
  for (;;) {
    try {
      writeFileSync(path, `${process.pid}\n`, { flag: "wx" });
      const unlock = () => rmSync(path, { force: true });
      return unlock;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      const holder = Number(existsSync(path) ? readFileSync(path, "utf8") : "0");
      if (!holder || !existsSync(`/proc/${holder}`)) {
        rmSync(path, { force: true });
        continue;
      }
      note(`waiting for process ${holder}, which builds it`);
      await sleep(500);
    }
  }
}
