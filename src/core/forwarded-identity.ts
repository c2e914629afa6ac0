/** How a gateway tells the next server on whose behalf it calls: only who trusts the gateway believes it. */
import type { Identity } from "./identity.ts";

/** The metadata that says it. Gateways take away what callers put there. */
export const callerMetadata = "meridian-caller";

/** Longest text; claims are left out before it is longer. */
const maxChars = 4_096;

const texts = new WeakMap<Identity, Map<string, string>>();

/** An identity as text for metadata, in ASCII. `region`: where the gateway stands to which the caller came. */
export function forwardedIdentity(identity: Identity, region: string): string {
  let byRegion = texts.get(identity);
  if (byRegion === undefined) texts.set(identity, byRegion = new Map());
  let text = byRegion.get(region);
  if (text === undefined) {
    const { kind, name, trustDomain, claims, expiresAtMs } = identity;
    const said = { kind, name, trustDomain, region: identity.region ?? region, expiresAtMs };
    text = ascii(JSON.stringify({ ...said, claims }));
    if (text.length > maxChars) text = ascii(JSON.stringify(said));
    byRegion.set(region, text);
  }
  return text;
}

/** What was written so; undefined for anything else. */
export function readForwardedIdentity(text: string, via: string): Identity | undefined {
  if (text.length > 2 * maxChars) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { kind, name, trustDomain, region, claims = {}, expiresAtMs } = value as Record<string, unknown>;
  const isText = (one: unknown): one is string | undefined => one === undefined || typeof one === "string";
  if (typeof kind !== "string" || typeof name !== "string" || !isText(trustDomain) || !isText(region)) return undefined;
  if (typeof claims !== "object" || claims === null || Array.isArray(claims)) return undefined;
  if (expiresAtMs !== undefined && typeof expiresAtMs !== "number") return undefined;
  return { kind, name, trustDomain, region, claims: claims as Identity["claims"], expiresAtMs, via };
}

/** Metadata of HTTP is ASCII alone. */
function ascii(json: string): string {
  return json.replace(/[^\x20-\x7e]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
