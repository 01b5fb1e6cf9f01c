/**
 * The store that keeps the state, and what the state knows.
 */
import { execa } from "execa";
import { fetch as send } from "undici";
import { z } from "zod";
import { findPulumi } from "../state/findPulumi.ts";
import { DOWNLOAD_TIMEOUT } from "./downloads.ts";
import type { StateStore } from "./facts.ts";

/** Looks at an S3 bucket as the state's owner, and as somebody without credentials. */
export async function inspectState(backendUrl: string): Promise<StateStore> {
  const url = new URL(backendUrl);
  const endpoint = url.searchParams.get("endpoint");
  const options = {
    region: url.searchParams.get("region") ?? "us-east-1",
    forcePathStyle: url.searchParams.get("s3ForcePathStyle") === "true",
    ...(endpoint === null ? {} : { endpoint: endpoint.includes("://") ? endpoint : `https://${endpoint}` }),
    maxAttempts: 2,
  };
  // Loaded while the cloud answers: the client takes longer to load than to ask.
  const { GetBucketVersioningCommand, HeadBucketCommand, S3Client } = await import("@aws-sdk/client-s3");
  const client = new S3Client(options);
  try {
    await client.send(new HeadBucketCommand({ Bucket: url.hostname }));
    const { Status } = await client.send(new GetBucketVersioningCommand({ Bucket: url.hostname }));
    return {
      reachable: true,
      versioning: Status,
      public: await isPublic(options.endpoint, options.region, url.hostname),
    };
  } catch (error) {
    const { name, message } = error as Error;
    throw new Error(`bucket ${url.hostname}: ${name}: ${message}`, { cause: error });
  } finally {
    client.destroy();
  }
}

/** Asks as somebody without credentials would. */
async function isPublic(endpoint: string | undefined, region: string, bucket: string): Promise<boolean> {
  const address =
    endpoint === undefined
      ? `https://${bucket}.s3.${region}.amazonaws.com/`
      : `${endpoint.replace(/\/$/, "")}/${bucket}`;
  try {
    return (await send(address, { signal: AbortSignal.timeout(DOWNLOAD_TIMEOUT) })).ok;
  } catch {
    return false;
  }
}

/** A large state on a slow bucket takes seconds. */
const STATE_TIMEOUT = 60_000;

const exported = z.object({
  deployment: z.object({ resources: z.array(z.object({ type: z.string() })).nullish() }),
});

/**
 * How many resources a stack's state has, but for the stack itself and its providers.
 *
 * Asked of the pulumi CLI: a running program is told nothing of its own state but outputs, and after a first `up` that
 * failed half way there are resources and no outputs yet. Needs no passphrase, waits for no lock.
 *
 * @throws Error if the CLI cannot be had or does not know the stack
 */
export async function knownResources(folder: string, stack: string): Promise<number> {
  const args = ["stack", "export", "--stack", stack, "--non-interactive"];
  const { stdout } = await execa(findPulumi(), args, { cwd: folder, timeout: STATE_TIMEOUT });
  const { resources } = exported.parse(JSON.parse(stdout)).deployment;
  return (resources ?? []).filter(({ type }) => !/^pulumi:(pulumi:Stack|providers:)/.test(type)).length;
}
