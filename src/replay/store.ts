/**
 * A ReplayStore keeps, for each idempotency key, who runs its call and how it ended.
 *
 * The one thing that every store must never do is to say `claimed` for a key whose call may have run before. What it
 * has dropped, or may have lost, it answers with `forgotten`; what it has no room for, with `full`.
 */
import type { Awaitable } from "../core/index.ts";

/** One keyed call, as a store sees it. */
export interface ReplayCall {
  /** Who asks and under which key: calls are repeats of one another if this is equal. */
  readonly key: string;
  /** When the key was made, in milliseconds since 1970; undefined for keys that do not say it. */
  readonly stampMs: number | undefined;
  /** Whether this is certainly the first attempt of its call, if the key is one that never leaves its call. */
  readonly isFirst: boolean;
  readonly method: string;
  /** What the request was, in at most 64 characters; "" where that shall not be compared. */
  readonly fingerprint: string;
  /** The server's wall clock. Stores with a clock of their own, as engines are, go by that. */
  readonly nowMs: number;
  /** How long a claim stands without a sign of life of its server, in milliseconds. */
  readonly leaseMs: number;
  /** How long a record is kept, in milliseconds: from the key's stamp on, or without one from the claim on. */
  readonly retentionMs: number;
  /** How far clocks may be apart, in milliseconds. */
  readonly clockSkewMs: number;
  /** Whether a claim that its server let lapse may be taken over: then the call runs again. */
  readonly takesOver: boolean;
}

/** The right to run a call, until the lease ends. A higher fence was given later. */
export interface Claim {
  readonly call: ReplayCall;
  readonly fence: number;
}

export type ClaimAnswer =
  /** Nobody has run it: run it. */
  | { readonly kind: "claimed"; readonly fence: number }
  /** It ended like this. */
  | { readonly kind: "done"; readonly outcome: Uint8Array }
  /** Somebody runs it. */
  | { readonly kind: "running" }
  /** Somebody ran it and was not heard of since: nobody knows how far it came. */
  | { readonly kind: "abandoned" }
  /** The key was used for another request or another method. */
  | { readonly kind: "reused"; readonly method: string }
  /** The key is older than what the store remembers. */
  | { readonly kind: "forgotten" }
  /** The key is from the future by more than `clockSkewMs`. */
  | { readonly kind: "ahead"; readonly byMs: number }
  /** There is no room, and what is there must not be dropped. */
  | { readonly kind: "full" };

/**
 * `Effect` is what a handler's effect is written with, for {@link ReplayStore.record}: an open transaction of
 * PostgreSQL, a script of Redis.
 */
export interface ReplayStore<Effect = never> {
  /** For messages and events, e.g. `redis`. */
  readonly name: string;
  /** Asks for the right to run a call. Rejects if the store cannot be asked. */
  claim(call: ReplayCall): Awaitable<ClaimAnswer>;
  /** Writes how a call ended. False if the claim was taken over by another. */
  complete(claim: Claim, outcome: Uint8Array): Awaitable<boolean>;
  /** Gives a claim back: the call has certainly done nothing. */
  release(claim: Claim): Awaitable<void>;
  /** Prolongs a claim by its lease. False if it was taken over. */
  renew?(claim: Claim, nowMs: number): Awaitable<boolean>;
  /**
   * Does the effect and writes how the call ended, both or neither; throws `aborted` if the claim was taken over.
   * Without a claim it does the effect alone. Returns what the effect gives.
   */
  record(claim: Claim | undefined, outcome: Uint8Array, effect: Effect): Promise<unknown>;
  /** Drops some of what has expired; called now and then. */
  sweep?(nowMs: number): Awaitable<void>;
}

/** Most characters of `ReplayCall.key`, the longest scope and key. */
export const maxKeyChars = 1_024;
