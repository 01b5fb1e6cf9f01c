/**
 * Which failures of a request are worth trying again, and when that is safe.
 * Upstream analogue: gophercloud's RetryFunc and RetryBackoffFunc, with rules of our own for lost answers.
 */
import { type CloudError, ConnectionError } from "./errors.ts";

/** A request is tried this often when the service is away or overloaded: with the pauses of Cloud.request half a minute. */
const ATTEMPTS = 7;
/** And this often when it says that it failed. */
const ATTEMPTS_AFTER_500 = 3;

export function attemptsFor(failure: CloudError | ConnectionError): number {
  return failure instanceof ConnectionError || failure.status !== 500 ? ATTEMPTS : ATTEMPTS_AFTER_500;
}

/** What is safe to send again: see Cloud.request. */
export function mayRepeat(failure: CloudError | ConnectionError, method: string): boolean {
  const harmless = method !== "POST" && method !== "PATCH";
  if (failure instanceof ConnectionError) {
    if (isCertificateProblem(causeCode(failure))) return false;
    return !failure.maybeDone || harmless;
  }
  if (failure.status === 429 || failure.status === 503) return true;
  // Services race with themselves: Glance answers 500 to the delete of an image whose import is just ending.
  if (failure.status === 500) return method === "GET" || method === "DELETE";
  return harmless && (failure.status === 502 || failure.status === 504);
}

export function causeCode(error: ConnectionError): string {
  return (error.cause as { code?: string } | undefined)?.code ?? "";
}

/** TLS problems do not go away by trying again. */
export function isCertificateProblem(code: string): boolean {
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

/** Whether a connection problem came before any byte of the request left. */
export function wasNeverSent(code: string): boolean {
  return (
    ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "UND_ERR_CONNECT_TIMEOUT"].includes(code) ||
    isCertificateProblem(code)
  );
}
