/**
 * Which failures of a question are worth asking again. Upstream analogue: gophercloud's RetryFunc and RetryBackoffFunc.
 */
import { type CloudError, ConnectionError } from "./errors.ts";

/** A question is asked this often when the service is away or overloaded: with the pauses of Cloud half a minute. */
const ATTEMPTS = 7;
/** And this often when the service says that it failed. */
const ATTEMPTS_AFTER_500 = 3;

/** How often a question is asked that ended so. Only for those that change nothing. */
export function attemptsFor(failure: CloudError | ConnectionError): number {
  if (failure instanceof ConnectionError) return isCertificateProblem(failure) ? 1 : ATTEMPTS;
  if (failure.status === 500) return ATTEMPTS_AFTER_500;
  return [429, 502, 503, 504].includes(failure.status) ? ATTEMPTS : 1;
}

/** TLS problems do not go away by trying again. */
function isCertificateProblem(error: ConnectionError): boolean {
  const code = (error.cause as { code?: string } | undefined)?.code ?? "";
  return (
    /^(ERR_TLS|CERT_|ERR_SSL|EPROTO)/.test(code) ||
    [
      "DEPTH_ZERO_SELF_SIGNED_CERT",
      "SELF_SIGNED_CERT_IN_CHAIN",
      "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
      "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
      "UNABLE_TO_GET_ISSUER_CERT",
    ].includes(code)
  );
}
