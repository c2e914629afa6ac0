/**
 * What callers and servers may say of caching, in metadata: the words of HTTP's `cache-control` (RFC 9111, RFC 5861).
 *
 * A caller says `no-store` (neither read nor keep), `no-cache` (do not read, but keep) or `only-if-cached`. A server
 * says `no-store`, `private`, `public`, `max-age`, `stale-while-revalidate` and `stale-if-error` in seconds; by
 * `cache-vary` which metadata of the request its answer depends on, and by `cache-tags` what it is about.
 */
import { type Context, type Metadata, numberOption, RpcError } from "../core/index.ts";

export interface CacheControl {
  readonly noStore: boolean;
  readonly noCache: boolean;
  readonly onlyIfCached: boolean;
  readonly isPublic: boolean;
  readonly maxAgeMs: number | undefined;
  readonly staleWhileRevalidateMs: number | undefined;
  readonly staleIfErrorMs: number | undefined;
}

const nothing: CacheControl = Object.freeze({
  noStore: false, noCache: false, onlyIfCached: false, isPublic: false, maxAgeMs: undefined,
  staleWhileRevalidateMs: undefined, staleIfErrorMs: undefined,
});

/** Most names and tags that are taken from a reply. */
const maxNames = 16;
const maxNameChars = 100;

export function readControl(metadata: Metadata | undefined): CacheControl {
  const text = metadata?.["cache-control"];
  if (text === undefined) return nothing;
  const words = new Map(text.toLowerCase().split(",").map((word) => {
    const [name = "", value = ""] = word.trim().split("=", 2);
    return [name, value] as const;
  }));
  const ms = (name: string): number | undefined => {
    const value = words.get(name);
    return value === undefined || !/^"?\d{1,9}"?$/.test(value) ? undefined : Number(value.replaceAll('"', "")) * 1_000;
  };
  return {
    noStore: words.has("no-store") || words.has("private"), noCache: words.has("no-cache"),
    onlyIfCached: words.has("only-if-cached"), isPublic: words.has("public"),
    maxAgeMs: ms("max-age"), staleWhileRevalidateMs: ms("stale-while-revalidate"),
    staleIfErrorMs: ms("stale-if-error"),
  };
}

/** The names in a list such as `cache-vary: tenant, locale`. */
export function readNames(metadata: Metadata | undefined, name: string): readonly string[] {
  const text = metadata?.[name];
  if (text === undefined) return [];
  return text.split(",").map((one) => one.trim()).filter((one) => one !== "" && one.length <= maxNameChars)
    .slice(0, maxNames);
}

export interface CacheAdvice {
  /** Whether nobody may keep the answer. */
  readonly noStore?: boolean | undefined;
  /** Whether it may be kept although its request carried credentials. */
  readonly isPublic?: boolean | undefined;
  /** How long it is fresh; in whole seconds on the wire, rounded down. */
  readonly maxAgeMs?: number | undefined;
  readonly staleWhileRevalidateMs?: number | undefined;
  readonly staleIfErrorMs?: number | undefined;
  /** The request's metadata that it depends on. */
  readonly vary?: readonly string[] | undefined;
  /** What it is about, for `invalidateTag`. */
  readonly tags?: readonly string[] | undefined;
}

/** In a handler: says how its answer may be cached. Throws `invalid_argument` for advice that cannot be meant. */
export function adviseCaches(context: Context, advice: CacheAdvice): void {
  const words: string[] = [];
  if (advice.noStore === true) words.push("no-store");
  if (advice.isPublic === true) words.push("public");
  const times = {
    "max-age": advice.maxAgeMs, "stale-while-revalidate": advice.staleWhileRevalidateMs,
    "stale-if-error": advice.staleIfErrorMs,
  };
  for (const [name, ms] of Object.entries(times)) {
    if (ms === undefined) continue;
    numberOption(name, ms, { least: 0, most: 999_999_999_000, unit: "milliseconds" });
    words.push(`${name}=${Math.floor(ms / 1_000)}`);
  }
  if (words.length > 0) context.setHeader("cache-control", words.join(", "));
  for (const [name, list] of [["cache-vary", advice.vary], ["cache-tags", advice.tags]] as const) {
    if (list === undefined || list.length === 0) continue;
    const odd = list.find((one) => !/^[\x21-\x2b\x2d-\x7e]{1,100}$/.test(one));
    if (odd !== undefined || list.length > maxNames) {
      throw new RpcError("invalid_argument", `${name} takes at most ${maxNames} names of 1 to ${maxNameChars} ` +
        `printable characters without spaces and commas${odd === undefined ? "" : `, not ${JSON.stringify(odd)}`}`);
    }
    context.setHeader(name, list.join(", "));
  }
}
