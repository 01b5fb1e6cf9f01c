/**
 * `bin/bootstrap-state`: makes the bucket that holds the state, and says what to export. Safe to run again.
 */
import { EXIT } from "../lib/command-error.ts";
import { backendUrl, bootstrapBucket } from "../state/bucket.ts";
import { command, one, UsageError } from "./kit.ts";

const usage = `Usage: bin/bootstrap-state BUCKET [options]

Makes the S3 bucket for the stacks' state and sets versioning, encryption, a block on public access, an end for old
versions and, with --principal, the least policy that Pulumi needs. Running it again changes nothing that is right.
Credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or what else the AWS SDK finds.

  --endpoint URL           S3-compatible store (Ceph RGW, MinIO, …), with scheme; without it AWS
  --region NAME            region (default: AWS_REGION, else us-east-1)
  --virtual-host           address the bucket by host name; default with --endpoint is by path
  --kms-key ARN            encrypt with this key instead of the store's own
  --principal ARN          the one identity that may read and write the state
  --keep-versions-days N   how long replaced versions are kept (default 90)
  --help

Exit codes: 0 the bucket is ready; 1 something failed; 3 ready, but the store lacks versioning or encryption; 64 wrong
usage.
`;

const options = {
  endpoint: { type: "string" },
  region: { type: "string" },
  "virtual-host": { type: "boolean" },
  "kms-key": { type: "string" },
  principal: { type: "string" },
  "keep-versions-days": { type: "string" },
} as const;

process.exitCode = await command(
  { name: "bin/bootstrap-state", usage, options },
  async ({ words, values }) => {
    const bucket = one(words, "bucket");
    // S3's naming rules, without the special prefixes that AWS reserves.
    if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) {
      throw new UsageError(
        `BUCKET: not a bucket name (got ${bucket}; legal: 3 to 63 lower-case letters, digits, dots and dashes)`,
      );
    }
    const { endpoint } = values;
    if (endpoint !== undefined && !/^https?:\/\/[^/]+/.test(endpoint)) {
      throw new UsageError(
        `--endpoint: not a URL with scheme (got ${endpoint}; legal: https://objects.example.com)`,
      );
    }
    const days = values["keep-versions-days"] ?? "90";
    if (!/^[1-9]\d{0,4}$/.test(days)) {
      throw new UsageError(`--keep-versions-days: not a whole number from 1 (got ${days})`);
    }
    const wanted = {
      bucket,
      region: values.region ?? process.env["AWS_REGION"] ?? "us-east-1",
      pathStyle: endpoint !== undefined && values["virtual-host"] !== true,
      keepVersionsDays: Number(days),
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(values["kms-key"] === undefined ? {} : { kmsKey: values["kms-key"] }),
      ...(values.principal === undefined ? {} : { principal: values.principal }),
    };
    const steps = await bootstrapBucket(wanted, ({ name, outcome, detail }) => {
      console.log(`${name.padEnd(20)} ${outcome}${detail === undefined ? "" : `: ${detail}`}`);
    });
    console.log(`\nexport PULUMI_BACKEND_URL='${backendUrl(wanted)}'`);
    if (steps.some(({ outcome }) => outcome === "failed")) return EXIT.failed;
    const lacks = steps.filter(({ outcome }) => outcome === "unsupported").map(({ name }) => name);
    if (!lacks.includes("versioning") && !lacks.includes("encryption")) return EXIT.ok;
    console.error(
      "The store keeps no old versions or does not encrypt: see docs/state.md for what to do instead.",
    );
    return EXIT.refused;
  },
);
