/**
 * Component MachineImage: what makes an image be uploaded again, and who sees it. Ways to an image are held in
 * seed.test.ts, the comparison of its checksum in tests/lib.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MachineImage, type MachineImageArgs } from "../../components/machineImage.ts";
import { providers } from "../support/component.ts";
import { record } from "../support/mocks.ts";

const url = "https://images.example.org/noble.img";
const checksum = `sha512:${"A".repeat(128)}`;

async function registered(changes: Partial<MachineImageArgs> = {}) {
  const recording = await record();
  new MachineImage("image", { image: { url, checksum }, imageName: "noble", ...changes }, providers());
  await recording.settled();
  return recording;
}

test("an uploaded image is seen by its project only, unless it is meant for others", async () => {
  assert.equal((await registered()).get("image-upload").inputs["visibility"], "private");
  const shared = await registered({ visibility: "public" });
  assert.equal(shared.get("image-upload").inputs["visibility"], "public");
});

test("another address or checksum is another image; another runner's cache is not", async () => {
  const { ignoreChanges, replaceOnChanges } = (await registered()).get("image-upload");
  assert.deepEqual(ignoreChanges, ["imageCachePath"]);
  // The path of a download is the same on every runner and tells the checksum.
  assert.deepEqual(replaceOnChanges, ["imageSourceUrl", "localFilePath"]);
});

test("a fixed image stays as it was uploaded, whatever is configured since", async () => {
  const { ignoreChanges, replaceOnChanges } = (await registered({ fixed: true })).get("image-upload");
  for (const property of ["localFilePath", "imageSourceUrl", "diskFormat", "properties"])
    assert.ok(ignoreChanges.includes(property), property);
  assert.deepEqual(replaceOnChanges, []);
});

test("an image with a checksum is downloaded again when address or checksum change, and compared with it", async () => {
  const { inputs } = (await registered()).get("image-download");
  assert.deepEqual(inputs["triggers"], [url, checksum]);
  assert.match(String(inputs["stdin"]), /^SUM_PROGRAM='sha512sum'\nSUM='a{128}'$/m);
  assert.match(String(inputs["stdin"]), /^URL='https:\/\/images\.example\.org\/noble\.img'$/m);
});

test("without a checksum OpenStack's own copy is verified at least", async () => {
  const recording = await registered({ image: { url } });
  assert.equal(recording.get("image-upload").inputs["verifyChecksum"], true);
  assert.throws(() => recording.get("image-download"));
});
