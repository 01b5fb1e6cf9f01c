/** The lab's S3, where the stacks' state is. */
import { S3Client } from "@aws-sdk/client-s3";
import { loadSecrets } from "../../lab/services/secrets.ts";
import { addresses, ports } from "../../lab/site.ts";

/** A client with the keys that the stacks are deployed with; whoever takes it destroys it. */
export function labS3(): S3Client {
  const { s3AccessKey, s3SecretKey } = loadSecrets();
  return new S3Client({
    region: "us-east-1",
    endpoint: `http://${addresses.services}:${ports.s3}`,
    forcePathStyle: true,
    credentials: { accessKeyId: s3AccessKey, secretAccessKey: s3SecretKey },
  });
}
