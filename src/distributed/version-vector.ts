/** A VersionVector says how far something has got with the writes of each origin: one number a region. */
import { RpcError } from "../core/index.ts";

export type VersionVector = Readonly<Record<string, number>>;

/** More origins would be a mistake, and not fit metadata. */
export const maxOrigins = 64;

/** Whether `one` has everything that `other` asks for. */
export function covers(one: VersionVector, other: VersionVector): boolean {
  return Object.keys(other).every((origin) => versionOf(one, origin) >= (other[origin] as number));
}

/** The greater number of each origin. */
export function joined(one: VersionVector, other: VersionVector): VersionVector {
  const all: Record<string, number> = { ...one };
  for (const origin of Object.keys(other)) all[origin] = Math.max(versionOf(all, origin), other[origin] as number);
  return all;
}

/** How far it has got with an origin. Names come from elsewhere, and may be those of an object's own members. */
export function versionOf(vector: VersionVector, origin: string): number {
  return Object.hasOwn(vector, origin) ? vector[origin] as number : 0;
}

/** As short text for metadata: `eu-west=17,us-east=4`. */
export function writeVector(vector: VersionVector): string {
  return Object.keys(vector).sort().filter((origin) => (vector[origin] as number) > 0)
    .map((origin) => `${encodeURIComponent(origin)}=${vector[origin]}`).join(",");
}

/** Throws `invalid_argument` for what is no vector: text from elsewhere is not trusted. */
export function readVector(text: string): VersionVector {
  const vector = Object.create(null) as Record<string, number>;
  if (text === "") return vector;
  const entries = text.split(",");
  if (entries.length > maxOrigins) throw notVector(text);
  for (const entry of entries) {
    const [origin = "", number = "", ...more] = entry.split("=");
    const version = Number(number);
    if (origin === "" || more.length > 0 || !/^\d{1,16}$/.test(number) || !Number.isSafeInteger(version)) {
      throw notVector(text);
    }
    try {
      vector[decodeURIComponent(origin)] = version;
    } catch {
      throw notVector(text);
    }
  }
  return vector;
}

function notVector(text: string): RpcError {
  return new RpcError("invalid_argument", `${JSON.stringify(text.slice(0, 80))} is no session token: expected ` +
    `at most ${maxOrigins} of region=number, as a reply's metadata said it`);
}
