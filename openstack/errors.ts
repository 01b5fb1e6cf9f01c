/**
 * Refusals of OpenStack in the cloud's own words. Each service has its own error body; all are reduced to one sentence with the
 * status and the request id, which is what an operator of that cloud asks for.
 */

/** A response that is not a success. */
export class CloudError extends Error {
  override readonly name = "CloudError";
  readonly status: number;
  /** The service's own sentence. */
  readonly said: string;
  readonly requestId: string | undefined;
  /** The service's error code (Neutron's exception type), when it has one. */
  readonly kind: string | undefined;
  constructor(input: {
    service: string;
    method: string;
    path: string;
    status: number;
    said: string;
    requestId?: string | undefined;
    kind?: string | undefined;
  }) {
    super(
      `${input.service} answered ${input.status} to ${input.method} ${input.path}: ${input.said}` +
        (input.requestId ? ` (request ${input.requestId})` : ""),
    );
    this.status = input.status;
    this.said = input.said;
    this.requestId = input.requestId;
    this.kind = input.kind;
  }
}

/** No answer at all: refused, reset or timed out. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  /** False when the request cannot have reached the service. */
  readonly maybeDone: boolean;
  constructor(message: string, maybeDone: boolean, cause: unknown) {
    super(message, { cause });
    this.maybeDone = maybeDone;
  }
}

export function isStatus(error: unknown, ...statuses: number[]): error is CloudError {
  return error instanceof CloudError && statuses.includes(error.status);
}

/** The sentence and the code in an error body, whatever the service wraps them in. */
export function wordsOf(body: string, fallback: string): { said: string; kind?: string } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return { said: plain(body).slice(0, 500) || fallback };
  }
  const found = dig(parsed);
  return found.said ? { said: found.said, ...(found.kind ? { kind: found.kind } : {}) } : { said: fallback };
}

/** Nova {"forbidden":{message}}, Neutron {"NeutronError":{message,type,detail}}, Keystone {"error":{message}}, Glance {"message"}, Placement {"errors":[{detail}]}. */
function dig(value: unknown, depth = 0): { said?: string; kind?: string } {
  if (typeof value === "string") return depth > 0 && value ? { said: value } : {};
  if (typeof value !== "object" || value === null || depth > 3) return {};
  const entry = value as Record<string, unknown>;
  const said = [entry["message"], entry["detail"], entry["faultstring"], entry["title"]].find(
    (candidate) => typeof candidate === "string" && candidate !== "",
  );
  if (typeof said === "string") {
    const kind = typeof entry["type"] === "string" ? entry["type"] : undefined;
    return { said: plain(said), ...(kind ? { kind } : {}) };
  }
  for (const inner of Object.values(entry)) {
    const found = dig(inner, depth + 1);
    if (found.said) return found;
  }
  return {};
}

/** Without HTML, which Glance puts around and into its sentences, and on one line. */
function plain(text: string): string {
  return text
    .replace(/<(style|script)[^>]*>[\s\S]*?<\/\1>/gi, " ")
    .replace(/<\/?[a-z][^>]*>/gi, " ")
    .replace(/\s+/g, " ")
    .trim();
}
