/** Media types of plain HTTP: which codec each is, and which of them a caller wants most (RFC 9110, 12.5.1). */

/** What a body may be in, best first, by the codec's name. */
export const bodyTypes: Readonly<Record<string, string>> = {
  "application/json": "json", "application/xml": "xml", "text/xml": "xml",
  "application/msgpack": "msgpack", "application/x-msgpack": "msgpack",
};

/** What streams are: events for `EventSource`, and a line for each message for everything else. */
export const eventsType = "text/event-stream";
export const linesTypes = ["application/x-ndjson", "application/jsonl"] as const;

const maxRanges = 32;

interface Range {
  readonly type: string;
  readonly q: number;
}

/**
 * The offered type that `accept` wants most; the first of equals. Undefined where it wants none of them. Without a
 * header, anything.
 */
export function negotiate(accept: string | undefined, offers: readonly string[]): string | undefined {
  if (accept === undefined || accept.trim() === "") return offers[0];
  const ranges = accept.split(",", maxRanges).map(readRange);
  let best: string | undefined;
  let most = 0;
  for (const offer of offers) {
    const q = wish(offer, ranges);
    if (q > most) {
      most = q;
      best = offer;
    }
  }
  return best;
}

/** Whether `accept` names one of the types itself, not by a wildcard. */
export function names(accept: string | undefined, types: readonly string[]): boolean {
  if (accept === undefined) return false;
  return accept.split(",", maxRanges).map(readRange).some(({ type, q }) => q > 0 && types.includes(type));
}

function readRange(text: string): Range {
  const [type = "", ...parameters] = text.split(";");
  const weight = parameters.map((one) => /^\s*q\s*=\s*([0-9.]{1,5})\s*$/i.exec(one)?.[1])
    .find((one) => one !== undefined);
  const q = weight === undefined ? 1 : Number(weight);
  return { type: type.trim().toLowerCase(), q: q >= 0 && q <= 1 ? q : 0 };
}

/** The most specific range counts. */
function wish(offer: string, ranges: readonly Range[]): number {
  const family = `${offer.slice(0, offer.indexOf("/"))}/*`;
  const found = ranges.find(({ type }) => type === offer) ?? ranges.find(({ type }) => type === family) ??
    ranges.find(({ type }) => type === "*/*");
  return found?.q ?? 0;
}
