/** How many requests an identity may make: a token bucket each, in a table that does not grow without bound. */
import { badOption, type Clock, type Context, type Identity, numberOption } from "../core/index.ts";

export interface RequestLimitOptions {
  /** Requests of one identity that are let in each second, on average. */
  readonly perSecond: number;
  /** How many may come at once. Default: one second's worth, at least 1. */
  readonly burst?: number | undefined;
  /** Identities that are told apart; the one not seen longest is forgotten for a new one. Default 10,000. */
  readonly maxIdentities?: number | undefined;
}

interface Bucket {
  tokens: number;
  reckonedMs: number;
  /** When it was last put at the end of the table: its order is that of use, to the second. */
  movedMs: number;
}

const moveMs = 1_000;

export class RequestLimit {
  readonly #clock: Clock;
  readonly #perMs: number;
  readonly #burst: number;
  readonly #most: number;
  readonly #buckets = new Map<string, Bucket>();
  /** The same by the identity itself, which mostly comes again as the same object. */
  readonly #known = new WeakMap<Identity, Bucket>();

  constructor(clock: Clock, options: RequestLimitOptions) {
    this.#clock = clock;
    const perSecond = numberOption("requests.perSecond", options.perSecond, { least: 0, unit: "requests" });
    if (perSecond === 0) {
      throw badOption("requests.perSecond", 0, "nobody could call: leave `requests` out for no limit");
    }
    this.#perMs = perSecond / 1_000;
    this.#burst = numberOption("requests.burst", options.burst ?? Math.max(1, perSecond),
      { least: 1, unit: "requests" });
    this.#most = numberOption("requests.maxIdentities", options.maxIdentities ?? 10_000,
      { least: 1, most: 10_000_000, whole: true, unit: "identities" });
  }

  /** Takes one request: 0 if it may go on, else how long to wait, in milliseconds. */
  take(identity: Identity, { peer }: Context): number {
    const nowMs = this.#clock.now();
    let bucket = this.#known.get(identity);
    if (bucket === undefined || nowMs - bucket.movedMs >= moveMs) bucket = this.#find(identity, peer?.address, nowMs);
    bucket.tokens = Math.min(this.#burst, bucket.tokens + (nowMs - bucket.reckonedMs) * this.#perMs);
    bucket.reckonedMs = nowMs;
    if (bucket.tokens >= 1 - 1e-9) {
      bucket.tokens--;
      return 0;
    }
    return Math.max(1, Math.ceil((1 - bucket.tokens) / this.#perMs));
  }

  /** Also moves it to the end of the table. */
  #find(identity: Identity, address: string | undefined, nowMs: number): Bucket {
    const key = keyOf(identity, address);
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      this.#makeRoom();
      this.#buckets.set(key, bucket = { tokens: this.#burst, reckonedMs: nowMs, movedMs: nowMs });
    } else if (nowMs - bucket.movedMs >= moveMs) {
      this.#buckets.delete(key);
      this.#buckets.set(key, bucket);
      bucket.movedMs = nowMs;
    }
    // All who are not known are one identity, of many addresses.
    if (identity.kind !== "anonymous") this.#known.set(identity, bucket);
    return bucket;
  }

  /** Identities that are told apart now. */
  get size(): number {
    return this.#buckets.size;
  }

  #makeRoom(): void {
    if (this.#buckets.size < this.#most) return;
    for (const oldest of this.#buckets.keys()) {
      this.#buckets.delete(oldest);
      return;
    }
  }
}

/** Who is known by nothing is known by where he is. */
function keyOf({ kind, name, trustDomain }: Identity, address: string | undefined): string {
  if (kind === "anonymous") return `@${address?.replace(/:\d+$/, "") ?? ""}`;
  return trustDomain === undefined ? `${kind} ${name}` : `${kind} ${trustDomain} ${name}`;
}
