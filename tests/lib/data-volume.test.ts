/**
 * The data volume's script with stand-ins for the programs that touch disks. That these programs do what is expected
 * of them, and that the volume is there after a reboot, is shown in the lab only.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { runShell, type ShellRun, temporaryFolder } from "../support/shell.ts";

const ID = "5617d17e-fdc1-4aa1-a14b-b9b5136c65af";

interface Disk {
  /** Name of the link below by-id; undefined: the volume is not there. */
  readonly link?: string;
  /** What blkid says, by tag; undefined: nothing, the disk is blank. */
  readonly signature?: Readonly<Record<string, string>>;
  /** blkid's answer for a disk with more than one signature. */
  readonly ambivalent?: boolean;
  readonly mounted?: boolean;
  readonly bytes?: number;
  /** What is in fstab, MNT for the mount point. Default: the root disk, and an old entry for it. */
  readonly fstab?: string;
  /** What blockdev does. Default: it answers `bytes`. */
  readonly blockdev?: string;
  /** What date does. Default: the system's. */
  readonly date?: string;
}

function run(context: TestContext, disk: Disk): { result: ShellRun; fstab: string; folder: string } {
  const folder = temporaryFolder(context);
  mkdirSync(join(folder, "by-id"));
  writeFileSync(join(folder, "vdb"), "");
  const before = disk.fstab ?? "UUID=root / ext4 defaults 0 1\nUUID=old MNT xfs defaults 0 0\n";
  writeFileSync(join(folder, "fstab"), before.replaceAll("MNT", join(folder, "mnt")));
  if (disk.link !== undefined) symlinkSync("../vdb", join(folder, "by-id", disk.link));
  const signature = Object.entries(disk.signature ?? {});
  const tags = signature.map(([tag, value]) => `${tag}) echo '${value}' ;;`).join(" ");
  const state = disk.ambivalent === true ? 8 : signature.length === 0 ? 2 : 0;
  const result = runShell(folder, {
    files: ["data-volume"],
    variables: {
      VOLUME_ID: ID,
      VOLUME_GB: 100,
      VOLUME_SECONDS: 1,
      MOUNT_POINT: join(folder, "mnt"),
      FILE_SYSTEM_LABEL: "capi-k3s",
      BY_ID: join(folder, "by-id"),
      FSTAB: join(folder, "fstab"),
    },
    programs: {
      blkid: `
        if [[ -f $HOME/formatted ]]; then
          case "$*" in *TYPE*) echo xfs ;; *LABEL*) echo capi-k3s ;; *UUID*) echo new-uuid ;; esac
          exit 0
        fi
        while (($#)); do case $1 in --match-tag) case $2 in ${tags} esac; shift ;; esac; shift; done
        exit ${state}`,
      "mkfs.xfs": 'touch "$HOME/formatted"',
      blockdev: disk.blockdev ?? `echo ${disk.bytes ?? 100 * 1024 ** 3}`,
      date: disk.date ?? 'exec /bin/date "$@"',
      sleep: "",
      mountpoint: disk.mounted === true ? "exit 0" : "exit 1",
      mount: "",
      xfs_growfs: "",
      systemctl: "",
    },
    run: "data_volume",
  });
  return { result, fstab: readFileSync(join(folder, "fstab"), "utf8"), folder };
}

const VIRTIO = "virtio-5617d17e-fdc1-4aa1-a";
const OURS = { TYPE: "xfs", LABEL: "capi-k3s", UUID: "our-uuid" };

test("a blank volume is formatted with our label, written to fstab by UUID, mounted and grown", (context) => {
  const { result, fstab, folder } = run(context, { link: VIRTIO });
  assert.equal(result.code, 0, result.stderr);
  assert.ok(result.calls.includes(`mkfs.xfs -q -L capi-k3s ${folder}/vdb`));
  assert.ok(result.calls.includes(`mount -t xfs -o defaults,noatime UUID=new-uuid ${folder}/mnt`));
  assert.ok(result.calls.includes(`xfs_growfs ${folder}/mnt`));
  assert.equal(
    fstab,
    "UUID=root / ext4 defaults 0 1\n" +
      `UUID=new-uuid ${folder}/mnt xfs defaults,noatime,nofail,x-systemd.device-timeout=120s,x-systemd.before=k3s.service 0 0\n`,
  );
  assert.equal(readFileSync(join(folder, "mnt/.capi-mgmt-volume"), "utf8"), `${ID}\n`);
});

// As Cinder's CSI driver finds volumes (cloud-provider-openstack, pkg/util/mount), and udev's older spelling.
for (const link of [
  VIRTIO,
  `virtio-${ID}`,
  `scsi-0QEMU_QEMU_HARDDISK_${ID.slice(0, 20)}`,
  `scsi-0QEMU_QEMU_HARDDISK_${ID}`,
  `scsi-SQEMU_QEMU_HARDDISK_${ID}`,
  "wwn-0x5617d17efdc14aa1a14bb9b5136c65af",
]) {
  test(`our volume is found as ${link} and not formatted again`, (context) => {
    const { result } = run(context, { link, signature: OURS, mounted: true });
    assert.equal(result.code, 0, result.stderr);
    assert.ok(!result.calls.some((call) => /^(mkfs|mount )/.test(call)), result.calls.join("\n"));
    assert.ok(result.calls.some((call) => call.startsWith("xfs_growfs")));
  });
}

test("systemd hears of a changed fstab, and of an unchanged one nothing", (context) => {
  const reloads = ({ calls }: ShellRun) => calls.filter((call) => call === "systemctl daemon-reload").length;
  assert.equal(reloads(run(context, { link: VIRTIO }).result), 1);
  const ours = { link: VIRTIO, signature: OURS };
  const first = run(context, ours);
  const fstab = first.fstab.replaceAll(join(first.folder, "mnt"), "MNT");
  assert.equal(reloads(run(context, { ...ours, fstab }).result), 0);
});

test("the file system grows only once the disk shows its new size", (context) => {
  const blockdev = `echo x >> "$HOME/sizes"; if (($(wc -l < "$HOME/sizes") < 3)); then echo ${50 * 1024 ** 3}; else echo ${100 * 1024 ** 3}; fi`;
  const { result } = run(context, { link: VIRTIO, signature: OURS, mounted: true, blockdev });
  assert.equal(result.code, 0, result.stderr);
  const steps = result.calls
    .map((call) => call.split(" ")[0])
    .filter((name) => /blockdev|xfs_growfs/.test(name ?? ""));
  assert.deepEqual(steps, ["blockdev", "blockdev", "blockdev", "xfs_growfs"]);
});

test("a disk that does not show its new size is told, and k3s goes on with what there is", (context) => {
  const date = 'echo x >> "$HOME/clock"; echo $(($(wc -l < "$HOME/clock") * 20))';
  const { result } = run(context, { link: VIRTIO, signature: OURS, mounted: true, bytes: 5, date });
  assert.equal(result.code, 0, result.stderr);
  assert.match(
    result.stderr,
    /^warning: \S+ shows less than 100 GiB; its file system grows with the next update$/m,
  );
});

const refused: [string, Disk, RegExp][] = [
  [
    "another file system",
    { signature: { TYPE: "ext4", LABEL: "cloudimg-rootfs" } },
    /is not ours: expected an xfs labelled capi-k3s, found ext4 labelled 'cloudimg-rootfs'; it is left as it is/,
  ],
  [
    "our label on another file system",
    { signature: { TYPE: "ext4", LABEL: "capi-k3s" } },
    /is not ours: expected an xfs labelled capi-k3s, found ext4 labelled 'capi-k3s'/,
  ],
  ["another label", { signature: { TYPE: "xfs", LABEL: "data" } }, /found xfs labelled 'data'/],
  ["no label", { signature: { TYPE: "xfs" } }, /found xfs labelled ''.*xfs_admin -L capi-k3s/],
  [
    "a partition table",
    { signature: { PTTYPE: "gpt" } },
    /no file system labelled '' and a partition table \(gpt\)/,
  ],
  ["several signatures", { ambivalent: true }, /carries more than one signature; it is left as it is/],
];
for (const [what, disk, message] of refused) {
  test(`a volume with ${what} is refused`, (context) => {
    const { result, fstab } = run(context, { link: VIRTIO, ...disk });
    assert.equal(result.code, 70);
    assert.match(result.stderr, message);
    assert.ok(!result.calls.some((call) => /^(mkfs|mount )/.test(call)));
    assert.match(fstab, /UUID=old/);
  });
}

test("a volume that does not appear is an error that lists what is there, whatever device Nova reported", (context) => {
  const { result } = run(context, { link: "virtio-another-volume" });
  assert.equal(result.code, 70);
  assert.match(
    result.stderr,
    new RegExp(`volume ${ID} has not appeared below \\S+ within 1 s; there are: virtio-another-volume`),
  );
});

test("k3s data on the root disk is not hidden under the mount", (context) => {
  const folder = temporaryFolder(context);
  mkdirSync(join(folder, "mnt"));
  writeFileSync(join(folder, "mnt/state.db"), "");
  writeFileSync(join(folder, "fstab"), "");
  const result = runShell(folder, {
    files: ["data-volume"],
    variables: { VOLUME_ID: ID, MOUNT_POINT: join(folder, "mnt"), FSTAB: join(folder, "fstab") },
    programs: { blkid: "echo our-uuid", mountpoint: "exit 1", mount: "", systemctl: "" },
    run: "mount_volume /dev/vdb",
  });
  assert.equal(result.code, 70);
  assert.match(result.stderr, /on the root disk is not empty: k3s has run there without its volume/);
  assert.ok(!result.calls.some((call) => call.startsWith("mount ")));
});
