/**
 * State in an S3 bucket: `s3://BUCKET[/PREFIX]?region=…&endpoint=…&s3ForcePathStyle=true&disableSSL=true`.
 * Upstream analogue: gocloud.dev/blob/s3blob and gocloud.dev/aws (the query parameters, in both spellings it knows).
 */
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import type { Bucket } from "./bucket.ts";

const PARAMETERS = new Set([
  "region",
  "endpoint",
  "s3ForcePathStyle",
  "use_path_style",
  "disableSSL",
  "disable_https",
  "hostname_immutable",
  "awssdk",
  "prefix",
]);

export class S3Bucket implements Bucket {
  readonly url: string;
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;

  /** Throws on a query parameter it does not know. */
  constructor(url: string, environment: Record<string, string | undefined>) {
    const parsed = new URL(url);
    const query = parsed.searchParams;
    const unknown = [...query.keys()].filter((name) => !PARAMETERS.has(name));
    if (unknown.length > 0) {
      throw new Error(
        `unknown parameter ${unknown.join(", ")} in the state's URL; legal: ${[...PARAMETERS].join(", ")}`,
      );
    }
    this.#bucket = parsed.hostname;
    this.url = `s3://${parsed.hostname}${parsed.pathname}`;
    const folder = parsed.pathname.replace(/^\/+|\/+$/g, "");
    this.#prefix = (query.get("prefix") ?? "") + (folder === "" ? "" : `${folder}/`);
    const plain = isTrue(query.get("disableSSL") ?? query.get("disable_https"));
    const endpoint = query.get("endpoint");
    const key = environment["AWS_ACCESS_KEY_ID"];
    const secret = environment["AWS_SECRET_ACCESS_KEY"];
    const token = environment["AWS_SESSION_TOKEN"];
    this.#client = new S3Client({
      region:
        query.get("region") ?? environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"] ?? "us-east-1",
      forcePathStyle: isTrue(query.get("s3ForcePathStyle") ?? query.get("use_path_style")),
      tls: !plain,
      ...(endpoint === null
        ? {}
        : { endpoint: endpoint.includes("://") ? endpoint : `${plain ? "http" : "https"}://${endpoint}` }),
      ...(key === undefined || secret === undefined
        ? {}
        : {
            credentials: {
              accessKeyId: key,
              secretAccessKey: secret,
              ...(token === undefined ? {} : { sessionToken: token }),
            },
          }),
      // Stores other than Amazon's often refuse the newer trailing checksums.
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
      maxAttempts: 5,
    });
  }

  async read(key: string): Promise<Buffer | undefined> {
    try {
      const answer = await this.#client.send(
        new GetObjectCommand({ Bucket: this.#bucket, Key: this.#prefix + key }),
      );
      return Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
    } catch (error) {
      if (error instanceof Error && (error.name === "NoSuchKey" || error.name === "NotFound"))
        return undefined;
      throw this.#explain(error, "read");
    }
  }

  async write(key: string, content: string | Buffer): Promise<void> {
    try {
      await this.#client.send(
        new PutObjectCommand({ Bucket: this.#bucket, Key: this.#prefix + key, Body: Buffer.from(content) }),
      );
    } catch (error) {
      throw this.#explain(error, "write");
    }
  }

  async delete(key: string): Promise<void> {
    try {
      await this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: this.#prefix + key }));
    } catch (error) {
      throw this.#explain(error, "delete in");
    }
  }

  async list(prefix: string): Promise<string[]> {
    const keys: string[] = [];
    let next: string | undefined;
    do {
      try {
        const answer = await this.#client.send(
          new ListObjectsV2Command({
            Bucket: this.#bucket,
            Prefix: this.#prefix + prefix,
            ...(next === undefined ? {} : { ContinuationToken: next }),
          }),
        );
        keys.push(...(answer.Contents ?? []).map((object) => (object.Key ?? "").slice(this.#prefix.length)));
        next = answer.IsTruncated === true ? answer.NextContinuationToken : undefined;
      } catch (error) {
        throw this.#explain(error, "list");
      }
    } while (next !== undefined);
    return keys;
  }

  #explain(error: unknown, verb: string): Error {
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return new Error(`cannot ${verb} the state at ${this.url}: ${reason}`, { cause: error });
  }
}

function isTrue(text: string | null): boolean {
  return text === "true" || text === "1";
}
