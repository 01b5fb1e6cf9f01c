/**
 * The S3 bucket that holds the stacks' state: made, versioned, encrypted, private, with the least policy that Pulumi
 * needs. Works on AWS S3, Ceph RGW and other S3-compatible stores; what a store does not implement is reported, not
 * passed over. Upstream analogue: Pulumi's self-managed backend documentation, which leaves all this to the reader.
 */
import {
  CreateBucketCommand,
  GetBucketVersioningCommand,
  HeadBucketCommand,
  PutBucketEncryptionCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutPublicAccessBlockCommand,
  S3Client,
} from "@aws-sdk/client-s3";

export interface BucketOptions {
  readonly bucket: string;
  /** Endpoint with scheme, for a store that is not AWS. */
  readonly endpoint?: string;
  /** Region; S3-compatible stores accept any, us-east-1 by custom. */
  readonly region: string;
  /** Address the bucket by path, as Ceph RGW and most S3-compatible stores want. */
  readonly pathStyle: boolean;
  /** ARN of a KMS key; without it the store's own key encrypts (SSE-S3). */
  readonly kmsKey?: string;
  /** The one identity that may use the state, as an ARN. Without it no policy is set and the owner alone has access. */
  readonly principal?: string;
  /** Days to keep versions that a later one replaced. */
  readonly keepVersionsDays: number;
}

/** What became of one setting. `unsupported` is the store's limit: the operator must know it, and nothing failed. */
export interface Step {
  readonly name: string;
  readonly outcome: "made" | "set" | "already there" | "unsupported" | "failed";
  readonly detail?: string;
}

/** The least that `pulumi up`, `preview` and `cancel` do to a bucket. */
export function statePolicy(bucket: string, principal: string): object {
  const arn = `arn:aws:s3:::${bucket}`;
  return {
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "PulumiList",
        Effect: "Allow",
        Principal: { AWS: [principal] },
        Action: ["s3:ListBucket", "s3:GetBucketVersioning", "s3:GetBucketLocation"],
        Resource: [arn],
      },
      {
        Sid: "PulumiState",
        Effect: "Allow",
        Principal: { AWS: [principal] },
        // Delete is for locks and for backups; versioning keeps what it hides.
        Action: ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
        Resource: [`${arn}/.pulumi/*`],
      },
    ],
  };
}

/** The value of PULUMI_BACKEND_URL for a bucket. */
export function backendUrl(
  options: Pick<BucketOptions, "bucket" | "endpoint" | "region" | "pathStyle">,
): string {
  const query = new URLSearchParams({ region: options.region });
  if (options.endpoint !== undefined) query.set("endpoint", options.endpoint);
  if (options.pathStyle) query.set("s3ForcePathStyle", "true");
  return `s3://${options.bucket}?${query.toString()}`;
}

/** Answers of stores that lack a call: Ceph RGW and others differ in which they lack. */
const UNSUPPORTED = new Set([
  "NotImplemented",
  "MethodNotAllowed",
  "XNotImplemented",
  "UnsupportedOperation",
]);

/**
 * Makes the bucket and sets what is missing; running it again changes nothing that is right.
 *
 * @throws Error when the bucket cannot be reached or made, or belongs to somebody else; single settings that fail are
 *   in the steps instead, so that all are reported at once.
 */
export async function bootstrapBucket(
  options: BucketOptions,
  progress: (step: Step) => void,
): Promise<Step[]> {
  const client = new S3Client({
    region: options.region,
    forcePathStyle: options.pathStyle,
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    // Stores that are not AWS refuse the checksums that the SDK adds on its own.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
  const steps: Step[] = [];
  const add = (step: Step) => {
    steps.push(step);
    progress(step);
  };
  const attempt = async (name: string, action: () => Promise<Omit<Step, "name">>) => {
    try {
      add({ name, ...(await action()) });
    } catch (error) {
      const { name: code, message } = error as Error;
      add({ name, outcome: UNSUPPORTED.has(code) ? "unsupported" : "failed", detail: `${code}: ${message}` });
    }
  };
  const Bucket = options.bucket;
  try {
    add({ name: "bucket", ...(await ensureBucket(client, options)) });
    await attempt("versioning", async () => {
      const current = await client.send(new GetBucketVersioningCommand({ Bucket }));
      if (current.Status === "Enabled") return { outcome: "already there" };
      await client.send(
        new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Enabled" } }),
      );
      return { outcome: "set" };
    });
    await attempt("encryption", async () => {
      const rule =
        options.kmsKey === undefined
          ? { SSEAlgorithm: "AES256" as const }
          : { SSEAlgorithm: "aws:kms" as const, KMSMasterKeyID: options.kmsKey };
      const Rules = [{ ApplyServerSideEncryptionByDefault: rule }];
      await client.send(
        new PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration: { Rules } }),
      );
      return { outcome: "set" };
    });
    await attempt("public access block", async () => {
      const block = {
        BlockPublicAcls: true,
        IgnorePublicAcls: true,
        BlockPublicPolicy: true,
        RestrictPublicBuckets: true,
      };
      await client.send(new PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration: block }));
      return { outcome: "set" };
    });
    await attempt("lifecycle", async () => {
      const rule = {
        ID: "capi-mgmt-old-versions",
        Status: "Enabled" as const,
        Filter: { Prefix: ".pulumi/" },
        NoncurrentVersionExpiration: { NoncurrentDays: options.keepVersionsDays },
      };
      await client.send(
        new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules: [rule] } }),
      );
      return { outcome: "set" };
    });
    const { principal } = options;
    if (principal !== undefined) {
      await attempt("policy", async () => {
        const Policy = JSON.stringify(statePolicy(Bucket, principal));
        await client.send(new PutBucketPolicyCommand({ Bucket, Policy }));
        return { outcome: "set" };
      });
    }
  } finally {
    client.destroy();
  }
  return steps;
}

async function ensureBucket(client: S3Client, options: BucketOptions): Promise<Omit<Step, "name">> {
  const where = options.endpoint ?? `AWS region ${options.region}`;
  try {
    await client.send(new HeadBucketCommand({ Bucket: options.bucket }));
    return { outcome: "already there" };
  } catch (error) {
    const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
    if (status === 403) {
      throw new Error(
        `bucket ${options.bucket} at ${where}: it exists, and these credentials may not use it`,
        { cause: error },
      );
    }
    if (status !== 404)
      throw new Error(`bucket ${options.bucket} at ${where}: ${describe(error)}`, { cause: error });
  }
  try {
    // AWS wants no constraint for us-east-1 and one for every other region; other stores have no regions.
    const constraint = options.endpoint === undefined && options.region !== "us-east-1";
    await client.send(
      new CreateBucketCommand({
        Bucket: options.bucket,
        ...(constraint
          ? { CreateBucketConfiguration: { LocationConstraint: options.region as "eu-west-1" } }
          : {}),
      }),
    );
    return { outcome: "made" };
  } catch (error) {
    throw new Error(`bucket ${options.bucket} at ${where}: ${describe(error)}`, { cause: error });
  }
}

function describe(error: unknown): string {
  const { name, message, code } = error as Error & { code?: string };
  return [code ?? name, message].filter((part) => part !== "" && part !== undefined).join(": ");
}
