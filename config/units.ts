/**
 * Durations and byte quantities as operators write them, turned into numbers. Used by validation and by whoever
 * needs the number (a Command's time-out, an Octavia setting).
 */

/** Seconds of a Go duration of whole hours, minutes and seconds (`1h30m`); undefined if it is not one. */
export function durationSeconds(text: string): number | undefined {
  const match = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(text);
  if (match === null || text === "") return undefined;
  const [hours, minutes, seconds] = match.slice(1).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
  ];
  return hours * 3600 + minutes * 60 + seconds;
}

/** Seconds of a duration that has passed validation. Anything else is an error: 0 would be no time at all. */
export function secondsOf(duration: string): number {
  const seconds = durationSeconds(duration);
  if (seconds === undefined) {
    throw new Error(`${JSON.stringify(duration)} is not a duration such as 90s, 30m or 1h30m`);
  }
  return seconds;
}

const FACTORS: Record<string, number> = {
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** Bytes of a Kubernetes quantity (`10Gi`, `500M`); undefined if it is not one. */
export function quantityBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([kMGT]|[KMGT]i)?$/.exec(text);
  const factor = FACTORS[match?.[2] ?? ""];
  return match === null || factor === undefined ? undefined : Number(match[1]) * factor;
}

/** Bytes of a quantity that has passed validation. Anything else is an error: 0 would be no room at all. */
export function bytesOf(quantity: string): number {
  const bytes = quantityBytes(quantity);
  if (bytes === undefined)
    throw new Error(`${JSON.stringify(quantity)} is not a quantity such as 10Gi or 500M`);
  return bytes;
}
