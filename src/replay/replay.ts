/**
 * `replay` runs a call with an idempotency key once, and answers its repeats from the record of how it ended.
 *
 * After RIFL (Lee et al., SOSP 2015): the right to run is claimed before the handler runs, the completion is recorded
 * before the reply leaves, or with the effect itself where the handler says so by {@link Replay.record}. A repeat that
 * comes while the first runs waits for it. What nobody can know any more is told as unknown and never run again. Where
 * RIFL has leased client ids and sequence numbers to tell new calls from forgotten ones, keys here carry the time they
 * were made at (core/idempotency-key.ts). Conflicts follow the IETF's draft of the Idempotency-Key header.
 */
import {
  badOption, type Context, expected, type LayerMaker, type MethodInfo, numberOption, type RpcError, type Runtime,
} from "../core/index.ts";
import { stampOf } from "../core/idempotency-key.ts";
import { fingerprint } from "./fingerprint.ts";
import { memoryReplayStore } from "./memory-store.ts";
import { encodeValue } from "./outcome.ts";
import { Run, type Running } from "./run.ts";
import { maxKeyChars, type ReplayCall, type ReplayStore } from "./store.ts";

/** What becomes of a call whose server was not heard of again before it had recorded the end. */
export type AfterCrash = "unknown" | "run_again";

export interface ReplayOptions<Effect> {
  /**
   * Where records are kept. Default: in memory, which is right for one server alone; for several that share a service
   * take an engine that they share.
   */
  readonly store?: ReplayStore<Effect> | undefined;
  /**
   * How long a record is kept after its key was made, in milliseconds. Keys that are older and not on record end as
   * unknown; without a stamp they would run again. Default 86,400,000, a day.
   */
  readonly retentionMs?: number | undefined;
  /** How long a claim outlives its server, in milliseconds; renewed at a third of it. Default 10,000. */
  readonly leaseMs?: number | undefined;
  /** How long a repeat waits for the first, within its deadline, in milliseconds. Default 10,000. */
  readonly waitMs?: number | undefined;
  /** How far the clocks of callers, servers and engine may be apart, in milliseconds. Default 1,000. */
  readonly clockSkewMs?: number | undefined;
  /** Time for each request to the store, in milliseconds. Default 1,000. */
  readonly storeTimeoutMs?: number | undefined;
  /** A longer outcome is not kept: a repeat learns that it ended, not how. Default 1 MiB. */
  readonly maxOutcomeBytes?: number | undefined;
  /**
   * Whose key it is: keys of different scopes are different keys. Take who the caller is, as authentication found it,
   * where callers must not learn each other's answers by guessing keys. Default: all share one scope.
   */
  readonly scope?: ((context: Context) => string) | undefined;
  /**
   * What becomes of a call whose server crashed while it ran. `run_again` is right for handlers that record their
   * completion with their effect, and for effects that may come about twice. Default `unknown`: never run again.
   */
  readonly afterCrash?: AfterCrash | ((method: MethodInfo) => AfterCrash) | undefined;
  /** Calls of keyed methods that come without a key: run, unprotected, or are refused. Default `run`. */
  readonly withoutKey?: "run" | "refuse" | undefined;
  /**
   * Keys that do not say when they were made: taken, though a repeat after `retentionMs` runs again, or refused.
   * Default `take`.
   */
  readonly withoutStamp?: "take" | "refuse" | undefined;
  /** When the store cannot be asked: calls are refused, never started, or run unprotected. Default `refuse`. */
  readonly withoutStore?: "refuse" | "run" | undefined;
  /**
   * What a repeat's request is compared by, in at most 64 characters; `false` compares nothing. Default: 64 bits over
   * the whole request. Name fields where servers of several versions fill in different defaults.
   */
  readonly fingerprint?: ((request: unknown, context: Context) => string) | false | undefined;
}

/** A layer for `ServerOptions.replay`, and what its handlers record their completions by. */
export interface Replay<Effect> extends LayerMaker {
  /**
   * In a handler: does the effect and records that the call ended with `result`, both or neither. With the memory store
   * `effect` is a function, with PostgreSQL the client of an open transaction, with Redis a script. The handler must
   * return `result` then. Resolves with what the effect gives; rejects with `aborted` if another server has taken the
   * call over, in which case nothing may be committed. Of a call without a key only the effect is done.
   */
  record(context: Context, result: unknown, effect: Effect): Promise<unknown>;
  /**
   * In a handler: the fence of this call's claim, which rises with each server that takes the call over: systems that
   * remember the highest they saw can refuse the late writes of a server that only stood still. Undefined of a call
   * without a key.
   */
  fenceOf(context: Context): number | undefined;
}

/** The options, checked, and what all calls share. */
export interface Settings {
  readonly store: ReplayStore<unknown>;
  readonly leaseMs: number;
  readonly waitMs: number;
  readonly storeTimeoutMs: number;
  readonly maxOutcomeBytes: number;
  readonly withoutStore: "refuse" | "run";
  /** Calls that run in this process, by key. */
  readonly running: Map<string, Running>;
}

/** Makes the layer. Throws `invalid_argument` for options that cannot be. */
export function replay<Effect = () => unknown>(options: ReplayOptions<Effect> = {}): Replay<Effect> {
  const retentionMs = ms("retentionMs", options.retentionMs ?? 86_400_000, 1_000);
  const leaseMs = ms("leaseMs", options.leaseMs ?? 10_000, 100);
  const clockSkewMs = ms("clockSkewMs", options.clockSkewMs ?? 1_000, 0);
  if (leaseMs >= retentionMs) throw badOption("leaseMs", leaseMs, `expected less than retentionMs, ${retentionMs}`);
  if (clockSkewMs * 2 > retentionMs) {
    throw badOption("clockSkewMs", clockSkewMs, `expected at most half of retentionMs, ${retentionMs}`);
  }
  const store: ReplayStore<unknown> = (options as ReplayOptions<unknown>).store ?? memoryReplayStore();
  const settings: Settings = {
    store, leaseMs,
    waitMs: ms("waitMs", options.waitMs ?? 10_000, 0),
    storeTimeoutMs: ms("storeTimeoutMs", options.storeTimeoutMs ?? 1_000, 1),
    maxOutcomeBytes: numberOption("maxOutcomeBytes", options.maxOutcomeBytes ?? 1 << 20,
      { least: 0, most: 1 << 28, whole: true, unit: "bytes" }),
    withoutStore: choice("withoutStore", options.withoutStore, ["refuse", "run"]),
    running: new Map(),
  };
  const withoutKey = choice("withoutKey", options.withoutKey, ["run", "refuse"]);
  const withoutStamp = choice("withoutStamp", options.withoutStamp, ["take", "refuse"]);
  const { scope, afterCrash = "unknown" } = options;
  const printOf = options.fingerprint === false ? () => "" : options.fingerprint ?? fingerprint;
  if (typeof afterCrash !== "function") choice("afterCrash", afterCrash, ["unknown", "run_again"]);

  const keyOf = (context: Context, key: string): string => {
    if (scope === undefined) return key;
    const name = scope(context);
    return `${name.length} ${name} ${key}`;
  };
  const callOf = (runtime: Runtime, request: unknown, context: Context, key: string): ReplayCall => {
    const stamp = stampOf(key);
    if (stamp === undefined && withoutStamp === "refuse") throw unstamped();
    return {
      key: checked("key", keyOf(context, key), maxKeyChars), stampMs: stamp?.atMs,
      // A gateway on the way begins to count attempts anew.
      isFirst: stamp?.isAutomatic === true && context.attempt === 0 && context.hops === 0,
      method: context.method.path, fingerprint: checked("fingerprint", printOf(request, context), maxPrintChars),
      nowMs: runtime.clock.wallMs(), leaseMs, retentionMs, clockSkewMs,
      takesOver: (typeof afterCrash === "function" ? afterCrash(context.method) : afterCrash) === "run_again",
    };
  };
  const runningOf = (context: Context): Running | undefined =>
    context.idempotencyKey === undefined ? undefined : settings.running.get(keyOf(context, context.idempotencyKey));

  const maker: LayerMaker = (runtime, observer) => {
    const run = new Run(runtime, observer, settings);
    return (next) => (request, context) => {
      if (context.method.idempotent !== "keyed") return next(request, context);
      const key = context.idempotencyKey;
      if (key === undefined) {
        if (withoutKey === "run") return next(request, context);
        throw keyMissing(context);
      }
      if (context.method.kind !== "unary") throw notUnary(context);
      return run.call(next, request, context, callOf(runtime, request, context, key));
    };
  };
  return Object.assign(maker, {
    async record(context: Context, result: unknown, effect: Effect) {
      const mine = runningOf(context);
      if (mine?.claim === undefined) return store.record(undefined, nothing, effect);
      const outcome = encodeValue(context.method, result, context);
      const answer = await store.record(mine.claim, outcome, effect);
      mine.recorded = outcome;
      return answer;
    },
    fenceOf: (context: Context) => runningOf(context)?.claim?.fence,
  });
}

/** A year. */
const maxMs = 366 * 86_400_000;

function ms(name: string, value: number, least: number): number {
  return numberOption(name, value, { least, most: maxMs, unit: "milliseconds" });
}

const maxPrintChars = 64;
const nothing = new Uint8Array(0);

function choice<T extends string>(name: string, value: T | undefined, choices: readonly [T, ...T[]]): T {
  if (value === undefined) return choices[0];
  if (choices.includes(value)) return value;
  throw badOption(name, value, `expected ${choices.join(" or ")}`);
}

function checked(what: string, text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  throw expected("invalid_argument", `the ${what === "key" ? "idempotency key with its scope" : what} has ` +
    `${text.length} characters; at most ${maxChars} are kept`, { phase: "server" });
}

function keyMissing(context: Context): RpcError {
  return expected("invalid_argument", `${context.method.path} is taken with an idempotency key only, and this call ` +
    "has none: send one in the header idempotency-key", { phase: "server" });
}

function unstamped(): RpcError {
  return expected("invalid_argument", "this server takes no idempotency key that does not say when it was made: make " +
    "keys by createIdempotencyKey or stampedKey", { phase: "server" });
}

function notUnary(context: Context): RpcError {
  return expected("unimplemented", `${context.method.path} is a stream, of which no record is kept: declare it ` +
    "`idempotent: false`, or make the part of it that acts a unary method", { neverStarted: true, retryable: false });
}

