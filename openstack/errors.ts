/**
 * Refusals of OpenStack in the cloud's own words. Each service has its own error body; all are reduced to one sentence with the
 * status and the request id, which is what an operator of that cloud asks for.
 */

/** A response that is not a success. */
export class CloudError extends Error {
  override readonly name = "CloudError";
  readonly status: number;
  constructor(input: {
    service: string;
    method: string;
    path: string;
    status: number;
    /** The service's own sentence. */
    said: string;
    requestId?: string | undefined;
  }) {
    super(
      `${input.service} answered ${input.status} to ${input.method} ${input.path}: ${input.said}` +
        (input.requestId ? ` (request ${input.requestId})` : ""),
    );
    this.status = input.status;
  }
}

/** No answer at all: refused, reset or timed out. `cause` is what happened. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  constructor(message: string, cause: unknown) {
    super(message, { cause });
  }
}

/** The sentence in an error body, whatever the service wraps it in; undefined where there is none. */
export function sentenceOf(body: string): string | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return plain(body).slice(0, 500) || undefined;
  }
  return dig(parsed);
}

/** Nova {"forbidden":{message}}, Neutron {"NeutronError":{message,type,detail}}, Keystone {"error":{message}}, Glance {"message"}. */
function dig(value: unknown, depth = 0): string | undefined {
  if (typeof value === "string") return depth > 0 && value ? value : undefined;
  if (typeof value !== "object" || value === null || depth > 3) return undefined;
  const entry = value as Record<string, unknown>;
  const said = [entry["message"], entry["detail"], entry["faultstring"], entry["title"]].find(
    (candidate) => typeof candidate === "string" && candidate !== "",
  );
  if (typeof said === "string") return plain(said);
  for (const inner of Object.values(entry)) {
    const found = dig(inner, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Without HTML, which Glance puts around and into its sentences, and on one line. */
function plain(text: string): string {
  return text
    .replace(/<(style|script)[^>]*>[\s\S]*?<\/\1>/gi, " ")
    .replace(/<\/?[a-z][^>]*>/gi, " ")
    .replace(/\s+/g, " ")
    .trim();
}
