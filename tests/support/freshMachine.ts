/**
 * `.ci/fresh-machine COMMAND...`: runs a command as on a machine on which nobody has done anything by hand.
 *
 * In a mount namespace of its own, whatever no Debian package owns below ROOTS is not there, except what Debian's own
 * installation writes, what this machine needs to reach its registries, the tools to build with, caches, and this
 * checkout. Writes to ROOTS are forgotten at the end, those to caches and to the checkout are kept. Needs root.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { ensurePackages } from "../../lab/prepare/packages.ts";
import { cacheDir, namespace, projectDir } from "../../lab/site.ts";

/** Where people and their tools put files by hand, and where programs look by default. */
const ROOTS = ["/etc", "/usr/local", "/opt", "/srv", "/root", "/var/lib"];

/** What the installer and the packages' own scripts write: no package's list of files has it. */
const DEBIAN = [
  ...["passwd", "group", "shadow", "gshadow", "subuid", "subgid", "nsswitch.conf", "pam.d"],
  ...["hostname", "hosts", "resolv.conf", "networks", "machine-id", "mtab", "fstab", "localtime", "timezone"],
  ...["alternatives", "apt", "ca-certificates.conf", "ssl/certs", "ld.so.cache", "default/locale"],
  ...["environment", "profile", "shells", "dpkg/origins", "dpkg/dpkg.cfg.d", "systemd/system"],
]
  .map((name) => `/etc/${name}`)
  .concat("/var/lib/dpkg", "/var/lib/apt", "/var/lib/dbus")
  // folders without content, which base-files makes when it is installed
  .concat(
    ["bin", "etc", "games", "include", "lib", "sbin", "share", "src"].map((name) => `/usr/local/${name}/`),
  );

/** How this machine reaches its registries and the repository. */
const SETTINGS = [
  ...["/etc/npmrc", "/etc/pip.conf", "/etc/gitconfig"],
  ...[".npmrc", ".netrc", ".gitconfig", ".pip", ".config/pip", ".config/go", ".config/git"].map((name) =>
    join(homedir(), name),
  ),
];

/**
 * Paths that packages own, from dpkg's lists.
 *
 * @param info dpkg's folder with one `<package>.list` a package
 */
export function ownedPaths(info = "/var/lib/dpkg/info"): Set<string> {
  const lists = readdirSync(info).filter((name) => name.endsWith(".list"));
  return new Set(lists.flatMap((name) => readFileSync(join(info, name), "utf8").split("\n")));
}

/**
 * The topmost paths below `root` that are neither owned nor kept.
 *
 * @param kept paths that stay with everything in them; one that ends with `/` is a folder that itself stays
 */
export function unownedPaths(root: string, owned: ReadonlySet<string>, kept: ReadonlySet<string>): string[] {
  const isOnTheWay = (path: string) => [...kept].some((other) => other.startsWith(`${path}/`));
  return readdirSync(root, { withFileTypes: true }).flatMap((entry) => {
    const path = join(root, entry.name);
    if (kept.has(path)) return [];
    if (!owned.has(path) && !isOnTheWay(path)) return [path];
    return entry.isDirectory() ? unownedPaths(path, owned, kept) : [];
  });
}

/** The output of a tool, undefined if it is not there or fails. */
function tell(program: string, ...args: string[]): string | undefined {
  try {
    return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return undefined;
  }
}

/** Where a program of PATH is, links not followed. */
function which(name: string): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

interface Tools {
  /** Folders and files that must stay for the tools to work. */
  readonly paths: readonly string[];
  /** Folders for PATH: where a version manager stands before the real program, the real program's. */
  readonly bins: readonly string[];
}

/** Go, Python, Node and npm, wherever they are installed. */
function tools(): Tools {
  const goRoot = tell("go", "env", "GOROOT");
  const [prefix, python] =
    tell("python3", "-c", "import sys; print(sys.base_prefix, sys.executable)")?.split(" ") ?? [];
  const node = [which("node"), which("npm"), which("npx")].filter((path) => path !== undefined);
  const npm = which("npm");
  const paths = [goRoot, prefix, ...node, ...node.map((path) => realpathSync(path))];
  if (npm !== undefined) paths.push(dirname(dirname(realpathSync(npm))));
  const bins = [
    goRoot && join(goRoot, "bin"),
    python && dirname(python),
    ...node.map((path) => dirname(path)),
  ];
  return {
    paths: paths.filter((path) => path !== undefined),
    bins: bins.filter((path) => path !== undefined),
  };
}

/** Caches, which are made where there are none: below ROOTS they would be memory, gigabytes of it, and gone with the command. */
export function cacheFolders(): string[] {
  const folders = [
    ...[cacheDir, tell("npm", "config", "get", "cache"), tell("go", "env", "GOMODCACHE")],
    tell("go", "env", "GOCACHE"),
    tell("python3", "-m", "pip", "cache", "dir") ?? join(homedir(), ".cache", "pip"),
  ].filter((path) => path !== undefined);
  for (const folder of folders) mkdirSync(folder, { recursive: true });
  return folders;
}

/** Folders that are written to and outlive the command. */
function workFolders(): string[] {
  const git = tell("git", "-C", projectDir, "rev-parse", "--path-format=absolute", "--git-common-dir");
  return [projectDir, git, ...cacheFolders()].filter((path) => path !== undefined);
}

/** Mount points below ROOTS, such as a container's resolv.conf: an overlay would show what is beneath. */
function mountPoints(): string[] {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return mounts.flatMap((line) => line.split(" ")[4] ?? []).filter((path) => isBelowRoots(path));
}

const isBelowRoots = (path: string) => ROOTS.some((root) => path.startsWith(`${root}/`));

/** Files that the environment names: certificates, settings. */
const namedFiles = (): string[] =>
  Object.values(process.env).filter(
    (value): value is string =>
      value?.startsWith("/") === true && existsSync(value) && lstatSync(value).isFile(),
  );

/** A shell word that stays itself whatever it holds. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** The script that makes the namespace it runs in a fresh machine, then becomes the command in its arguments. */
function script(): string {
  const { paths, bins } = tools();
  const folders = workFolders();
  const kept = new Set([...DEBIAN, ...SETTINGS, ...paths, ...folders, ...namedFiles()]);
  const mounted = mountPoints();
  const owned = ownedPaths();
  const hidden = ROOTS.flatMap((root) => unownedPaths(root, owned, new Set([...kept, ...mounted])));
  const stay = [...new Set([...folders.filter(isBelowRoots), ...mounted])].sort();
  const lines = [
    "scratch=$(mktemp -d)",
    "mount -t tmpfs fresh-machine $scratch",
    // A name alone would be a leftover where this namespace's mounts are not seen.
    "mkdir -p /run/netns && mount -t tmpfs fresh-machine /run/netns",
    'hide() { copy "$(dirname "$1")"; mknod "$scratch/upper$1" c 0 0; }',
    // An overlay takes mode and owner of a folder from its upper layer.
    'copy() { [ -d "$scratch/upper$1" ] && return; copy "$(dirname "$1")"; mkdir "$scratch/upper$1"; ' +
      'chmod --reference="$1" "$scratch/upper$1"; chown --reference="$1" "$scratch/upper$1"; }',
    "mkdir $scratch/upper",
    ...hidden.map((path) => `hide ${quoted(path)}`),
    ...stay.map((path, index) => {
      const make = lstatSync(path).isDirectory() ? "mkdir" : "touch";
      return `${make} $scratch/${index}; mount --rbind ${quoted(path)} $scratch/${index}`;
    }),
    ...ROOTS.filter((root) => existsSync(root)).flatMap((root) => {
      const name = root.replaceAll("/", "-");
      return [
        `copy ${root}; mkdir $scratch/work${name}`,
        `mount -t overlay overlay -o lowerdir=${root},upperdir=$scratch/upper${root},workdir=$scratch/work${name} ${root}`,
      ];
    }),
    ...stay.map((path, index) => `mount --move $scratch/${index} ${quoted(path)}`),
    // The overlays hold what they need of it.
    "umount --lazy $scratch; rmdir $scratch",
    `export PATH=${bins.map(quoted).join(":")}:"$PATH"`,
    `cd ${quoted(process.cwd())}`,
    'exec "$@"',
  ];
  return lines.join("\n");
}

if (import.meta.main) {
  const command = process.argv.slice(2);
  const problem =
    command.length === 0
      ? "usage: .ci/fresh-machine COMMAND..."
      : process.getuid?.() !== 0
        ? "it needs root, for mounts"
        : existsSync(`/run/netns/${namespace}`)
          ? "a lab runs on this machine: npm run lab -- stop"
          : undefined;
  if (problem !== undefined) {
    console.error(`fresh-machine: ${problem}`);
    process.exit(command.length === 0 ? 64 : 1);
  }
  // Outside: what packages install must not be forgotten.
  await ensurePackages((note) => console.error(note));
  const run = ["--mount", "--propagation", "private", "bash", "-euc", script(), "fresh-machine", ...command];
  process.exitCode = spawnSync("unshare", run, { stdio: "inherit" }).status ?? 1;
}
