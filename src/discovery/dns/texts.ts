/** What TXT records say of endpoints beside: `region=eu-west`, as DNS-SD writes attributes (RFC 6763 section 6). */
import type { Resolver } from "./resolver.ts";

export interface Texts {
  /** Fields of the endpoint as they were said; whoever reads them checks them. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly attributes: Readonly<Record<string, string>>;
}

export const noTexts: Texts = { fields: {}, attributes: {} };

const fieldNames: ReadonlySet<string> = new Set(["id", "region", "zone", "weight", "priority", "backup"]);

/** What the TXT records of `name` say, and when to ask again. What cannot be asked stays what it was. */
export async function textsOf(
  resolver: Resolver, name: string,
): Promise<{ readonly texts: Texts; readonly refreshAtMs: number }> {
  const question = { name, type: "TXT" } as const;
  try {
    const answer = await resolver.ask(question);
    if (answer.state === "absent") return { texts: noTexts, refreshAtMs: answer.refreshAtMs };
    const texts = answer.records.flatMap((data) => (data.kind === "TXT" ? data.texts : []));
    return { texts: readTexts(texts), refreshAtMs: answer.refreshAtMs };
  } catch (error) {
    const good = resolver.lastGood(question);
    if (good?.state !== "found") throw error;
    const texts = good.records.flatMap((data) => (data.kind === "TXT" ? data.texts : []));
    return { texts: readTexts(texts), refreshAtMs: -Infinity };
  }
}

/** Of several with one key the first counts; a text without `=` is somebody else's. */
export function readTexts(texts: readonly string[]): Texts {
  const fields = new Map<string, unknown>();
  const attributes = new Map<string, string>();
  for (const text of texts) {
    const equals = text.indexOf("=");
    if (equals < 1) continue;
    const [key, value] = [text.slice(0, equals), text.slice(equals + 1)];
    const field = key.toLowerCase();
    if (!fieldNames.has(field)) {
      if (!attributes.has(key)) attributes.set(key, value);
    } else if (!fields.has(field)) {
      fields.set(field, fieldValue(field, value));
    }
  }
  return { fields: Object.fromEntries(fields), attributes: Object.fromEntries(attributes) };
}

function fieldValue(field: string, value: string): unknown {
  if (field === "backup") return value === "true" ? true : value === "false" ? false : value;
  if (field !== "weight" && field !== "priority") return value;
  return /^\d+(?:\.\d+)?$/.test(value) ? Number(value) : value;
}

/** What a host says of itself counts before what its service says of all. */
export function joinTexts(all: Texts, own: Texts): Texts {
  return { fields: { ...all.fields, ...own.fields }, attributes: { ...all.attributes, ...own.attributes } };
}
