/** The state bucket: versioned, as the documentation asks of a real site's. */
import { paths, addresses, bucket, ports } from "../site.ts";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Secrets } from "./secrets.ts";

/** Makes the bucket if its folder is missing (the gateway keeps a bucket as a folder). */
export async function ensureBucket(secrets: Secrets): Promise<void> {
  if (existsSync(join(paths.data, "s3", bucket))) return;
  const { CreateBucketCommand, PutBucketVersioningCommand, S3Client } = await import("@aws-sdk/client-s3");
  const client = new S3Client({
    endpoint: `http://${addresses.services}:${ports.s3}`,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: secrets.s3AccessKey, secretAccessKey: secrets.s3SecretKey },
  });
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    await client.send(
      new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status: "Enabled" } }),
    );
  } finally {
    client.destroy();
  }
}
