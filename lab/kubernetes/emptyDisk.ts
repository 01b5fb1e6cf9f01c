/**
 * A disk image in the format qcow2 (QEMU, docs/interop/qcow2.txt, version 2) with nothing on it: the lab's machines come
 * from the base tree, and Glance looks only whether a file is what it is said to be.
 */

/** This file, for a hash of what the mirror depends on. */
export const file = import.meta.filename;

const CLUSTER_BITS = 16;
const CLUSTER = 1 << CLUSTER_BITS;
const DISK_BYTES = 1 << 30;

/** Four clusters: header, reference counts' table and block, and the table of the disk's clusters, all absent. */
export function emptyDisk(): Buffer {
  const [refcountTable, refcountBlock, l1Table, end] = [1, 2, 3, 4] as const;
  const disk = Buffer.alloc(end * CLUSTER);
  disk.write("QFI\xfb", 0, "latin1");
  disk.writeUInt32BE(2, 4);
  disk.writeUInt32BE(CLUSTER_BITS, 20);
  disk.writeBigUInt64BE(BigInt(DISK_BYTES), 24);
  // One entry of the table of the disk's clusters stands for 2^13 of them.
  disk.writeUInt32BE(Math.ceil(DISK_BYTES / CLUSTER / (CLUSTER / 8)), 36);
  disk.writeBigUInt64BE(BigInt(l1Table * CLUSTER), 40);
  disk.writeBigUInt64BE(BigInt(refcountTable * CLUSTER), 48);
  disk.writeUInt32BE(1, 56);
  disk.writeBigUInt64BE(BigInt(refcountBlock * CLUSTER), refcountTable * CLUSTER);
  for (let cluster = 0; cluster < end; cluster += 1) {
    disk.writeUInt16BE(1, refcountBlock * CLUSTER + cluster * 2);
  }
  return disk;
}
