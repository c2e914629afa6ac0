/**
 * A Run takes keyed calls on: claims, handles or waits, records, answers. One for each server.
 *
 * Every way out of a call ends its entry in the table of running ones, by which repeats in the same process wait.
 */
import {
  type Awaitable, type Context, expected, isPromise, type Observer, RpcError, type Runtime, type Service,
} from "../core/index.ts";
import { pause } from "../resilience/index.ts";
import { decodeOutcome, encodeError, encodeLost, encodeValue } from "./outcome.ts";
import { keyReused, outcomeUnknown, stillRunning } from "./refusals.ts";
import type { Settings } from "./replay.ts";
import type { Claim, ClaimAnswer, ReplayCall } from "./store.ts";
import { Joiner, within } from "./waiting.ts";

/** A call that runs in this process, or waits for one that runs elsewhere. */
export interface Running {
  readonly call: ReplayCall;
  /** Once it may run; undefined also where it runs unprotected. */
  claim: Claim | undefined;
  /** What the handler recorded with its effect. */
  recorded: Uint8Array | undefined;
  joiners: Joiner[] | undefined;
}

const sweepEveryMs = 60_000;
/** An event of one name is told this often at most. */
const eventEveryMs = 1_000;
/** Pauses between questions to the store for a call that runs elsewhere, in milliseconds. */
const askPauseMs = { least: 5, most: 100 };
const writeAttempts = 5;

export class Run {
  readonly #runtime: Runtime;
  readonly #observer: Observer;
  readonly #settings: Settings;
  readonly #toldMs = new Map<string, number>();
  #sweptMs = -Infinity;
  #isRenewing = false;

  constructor(runtime: Runtime, observer: Observer, settings: Settings) {
    this.#runtime = runtime;
    this.#observer = observer;
    this.#settings = settings;
  }

  call(handler: Service, request: unknown, context: Context, call: ReplayCall): unknown {
    const { running, store } = this.#settings;
    const first = running.get(call.key);
    if (first !== undefined) return this.#join(first, handler, request, context, call);
    const mine: Running = { call, claim: undefined, recorded: undefined, joiners: undefined };
    running.set(call.key, mine);
    if (call.nowMs - this.#sweptMs >= sweepEveryMs) this.#sweep(call.nowMs);
    let answer: Awaitable<ClaimAnswer>;
    try {
      answer = store.claim(call);
    } catch (error) {
      return this.#unasked(handler, request, context, mine, error);
    }
    if (!isPromise(answer)) return this.#answered(answer, handler, request, context, mine);
    return this.#inTime(answer, call).then(
      (told) => this.#answered(told, handler, request, context, mine),
      (error: unknown) => this.#unasked(handler, request, context, mine, error));
  }

  /** A claim that comes too late is given back, since nobody will run under it. */
  #inTime(answer: Promise<ClaimAnswer>, call: ReplayCall): Promise<ClaimAnswer> {
    const { store, storeTimeoutMs } = this.#settings;
    return within(this.#runtime.clock, storeTimeoutMs, answer, (late) => {
      if (late.kind === "claimed") this.#quietly(() => store.release({ call, fence: late.fence }));
    });
  }

  #answered(answer: ClaimAnswer, handler: Service, request: unknown, context: Context, mine: Running): unknown {
    switch (answer.kind) {
      case "claimed":
        mine.claim = { call: mine.call, fence: answer.fence };
        this.#renewLater();
        return this.#handle(handler, request, context, mine);
      case "done":
        this.#end(mine, answer.outcome);
        return this.#replayed(context, answer.outcome);
      case "running":
        return this.#wait(handler, request, context, mine);
      default:
        this.#end(mine, undefined);
        throw this.#refusal(answer, context);
    }
  }

  #refusal(answer: ClaimAnswer, context: Context): RpcError {
    this.#tell("replay.refused", { method: context.method.path, why: answer.kind });
    switch (answer.kind) {
      case "reused":
        return keyReused(context, answer.method);
      case "forgotten":
        return outcomeUnknown(context, "its idempotency key is older than the records that are left");
      case "abandoned":
        return outcomeUnknown(context, "the server that ran it was not heard of again");
      case "ahead":
        return expected("failed_precondition", `the idempotency key was made ${Math.round(answer.byMs)} ms after ` +
          "now, more than clocks may be apart (clockSkewMs): set the caller's clock",
        { retryable: false, phase: "server" });
      case "full":
        return expected("resource_exhausted", `the ${this.#settings.store.name} store has no room for another ` +
          "idempotency key", { neverStarted: true, retryAfterMs: 1_000, phase: "server" });
      default:
        return new RpcError("internal", `the store answered a claim with ${answer.kind}`);
    }
  }

  /** A repeat in the process that runs the first. */
  async #join(
    first: Running, handler: Service, request: unknown, context: Context, call: ReplayCall,
  ): Promise<unknown> {
    if (first.call.method !== call.method || first.call.fingerprint !== call.fingerprint) {
      throw keyReused(context, first.call.method);
    }
    const { clock } = this.#runtime;
    const sinceMs = clock.now();
    const joiner = new Joiner(clock, context);
    (first.joiners ??= []).push(joiner);
    const outcome = await joiner.ended(Math.min(sinceMs + this.#settings.waitMs, context.deadline));
    if (outcome === "late") {
      first.joiners = first.joiners?.filter((one) => one !== joiner);
      throw stillRunning(context, clock.now() - sinceMs);
    }
    // It ended without an outcome: it never started, or its server could not say. The store knows.
    if (outcome === undefined) return this.call(handler, request, context, { ...call, nowMs: clock.wallMs() });
    return this.#replayed(context, outcome);
  }

  /** A repeat of what runs in another process. */
  async #wait(handler: Service, request: unknown, context: Context, mine: Running): Promise<unknown> {
    const { store, waitMs } = this.#settings;
    const { clock } = this.#runtime;
    const sinceMs = clock.now();
    const untilMs = Math.min(sinceMs + waitMs, context.deadline);
    let answer: ClaimAnswer = { kind: "running" };
    try {
      let pauseMs: number = askPauseMs.least;
      while (answer.kind === "running") {
        if (clock.now() + pauseMs > untilMs) throw stillRunning(context, clock.now() - sinceMs);
        await pause(clock, pauseMs, context);
        answer = await this.#inTime(Promise.resolve(store.claim({ ...mine.call, nowMs: clock.wallMs() })), mine.call);
        pauseMs = Math.min(2 * pauseMs, askPauseMs.most);
      }
    } catch (error) {
      this.#end(mine, undefined);
      throw RpcError.is(error) ? error : this.#unavailable(error);
    }
    return this.#answered(answer, handler, request, context, mine);
  }

  #handle(handler: Service, request: unknown, context: Context, mine: Running): unknown {
    let answer: unknown;
    try {
      answer = handler(request, context);
    } catch (error) {
      return this.#failed(context, mine, error);
    }
    if (!isPromise(answer)) return this.#succeeded(context, mine, answer);
    return answer.then((value) => this.#succeeded(context, mine, value),
      (error: unknown) => this.#failed(context, mine, error));
  }

  #succeeded(context: Context, mine: Running, value: unknown): unknown {
    if (mine.recorded !== undefined) {
      this.#end(mine, mine.recorded);
      return value;
    }
    const outcome = this.#encoded(context, value);
    const isWritten = this.#complete(mine, outcome);
    if (isPromise(isWritten)) return isWritten.then((written) => this.#written(written, context, mine, outcome, value));
    return this.#written(isWritten, context, mine, outcome, value);
  }

  #written(isWritten: boolean, context: Context, mine: Running, outcome: Uint8Array, value: unknown): unknown {
    if (!isWritten) return this.#superseded(context, mine, outcome);
    this.#end(mine, outcome);
    return value;
  }

  /** What cannot be encoded here cannot be sent either: then that is how the call ends. */
  #encoded(context: Context, value: unknown): Uint8Array {
    try {
      const outcome = encodeValue(context.method, value, context);
      if (outcome.length <= this.#settings.maxOutcomeBytes) return outcome;
      return encodeLost(`it succeeded, and its reply of ${outcome.length} bytes was too long to be kept`);
    } catch (error) {
      const { message } = RpcError.from(error);
      return encodeError(new RpcError("internal", `the reply cannot be encoded: ${message}`), context);
    }
  }

  async #failed(context: Context, mine: Running, error: unknown): Promise<unknown> {
    const failure = RpcError.is(error) ? error : undefined;
    const isOpen = failure === undefined || isUndecided(failure);
    if (failure?.neverStarted === true || (isOpen && mine.call.takesOver)) {
      const { claim } = mine;
      if (claim !== undefined) await this.#bounded(() => this.#settings.store.release(claim));
      this.#end(mine, undefined);
      throw error;
    }
    // An exception that is no RpcError may hold secrets: its text is neither sent nor kept.
    const outcome = failure === undefined
      ? encodeError(new RpcError("internal", "the handler failed unexpectedly", { retryable: false }), context)
      : isOpen ? encodeLost(`it ended with ${failure.code}: ${failure.message}`) : encodeError(failure, context);
    if (!await this.#complete(mine, outcome)) return this.#superseded(context, mine, outcome);
    this.#end(mine, outcome);
    throw error;
  }

  /**
   * Writes the end of a call. A store that cannot be reached does not take back what happened: the caller learns the
   * outcome, writing goes on for a while, and repeats find at worst a claim that lapses: unknown, never a second run.
   */
  #complete(mine: Running, outcome: Uint8Array): Awaitable<boolean> {
    const { claim } = mine;
    if (claim === undefined) return true;
    const { store, storeTimeoutMs } = this.#settings;
    try {
      const isWritten = store.complete(claim, outcome);
      if (!isPromise(isWritten)) return isWritten;
      return within(this.#runtime.clock, storeTimeoutMs, isWritten).catch((error: unknown) =>
        this.#completeLater(claim, outcome, error));
    } catch (error) {
      return this.#completeLater(claim, outcome, error);
    }
  }

  #completeLater(claim: Claim, outcome: Uint8Array, error: unknown): true {
    const { store } = this.#settings;
    this.#tell("replay.store.failed", { store: store.name, step: "complete", why: RpcError.from(error).message });
    const attempt = (left: number, pauseMs: number): void => {
      this.#runtime.clock.after(pauseMs, () => {
        Promise.resolve().then(() => store.complete(claim, outcome)).catch(() => {
          if (left > 1) attempt(left - 1, 2 * pauseMs);
        });
      }).unref();
    };
    attempt(writeAttempts, 50);
    return true;
  }

  /** The record is not ours to write: another server took the call over, or the handler recorded and failed then. */
  async #superseded(context: Context, mine: Running, outcome: Uint8Array): Promise<unknown> {
    const found = await this.#found(mine, outcome);
    this.#end(mine, found);
    if (found !== undefined) return this.#replayed(context, found);
    this.#tell("replay.claim.lost", { method: context.method.path, why: "another server took the call over" });
    throw outcomeUnknown(context, "another server took it over while it ran here");
  }

  async #found({ call }: Running, outcome: Uint8Array): Promise<Uint8Array | undefined> {
    const { store } = this.#settings;
    try {
      const again = { ...call, takesOver: false, nowMs: this.#runtime.clock.wallMs() };
      const answer = await this.#inTime(Promise.resolve(store.claim(again)), call);
      if (answer.kind === "done") return answer.outcome;
      // The store has lost its records: ours is the one to stand.
      if (answer.kind !== "claimed") return undefined;
      await store.complete({ call, fence: answer.fence }, outcome);
      return outcome;
    } catch (error) {
      this.#tell("replay.store.failed", { store: store.name, step: "claim", why: RpcError.from(error).message });
      return undefined;
    }
  }

  #replayed(context: Context, bytes: Uint8Array): unknown {
    let outcome;
    try {
      outcome = decodeOutcome(context.method, bytes, context);
    } catch (cause) {
      throw outcomeUnknown(context, `its record cannot be read: ${RpcError.from(cause).message}`);
    }
    this.#observer.event?.("replay.answered", { method: context.method.path, kind: outcome.kind });
    if (outcome.kind === "lost") throw outcomeUnknown(context, outcome.why);
    try {
      context.setHeader("idempotent-replayed", "true");
    } catch {
      // The reply's own metadata fill the block.
    }
    if (outcome.kind === "error") throw outcome.error;
    return outcome.value;
  }

  #unasked(handler: Service, request: unknown, context: Context, mine: Running, error: unknown): unknown {
    const { store, withoutStore } = this.#settings;
    this.#tell("replay.store.failed", { store: store.name, step: "claim", why: RpcError.from(error).message });
    if (withoutStore === "run") return this.#handle(handler, request, context, mine);
    this.#end(mine, undefined);
    throw this.#unavailable(error);
  }

  #unavailable(cause: unknown): RpcError {
    return expected("unavailable", `the ${this.#settings.store.name} store of idempotency keys cannot be asked: ` +
      RpcError.from(cause).message, { neverStarted: true, phase: "server", cause });
  }

  #end(mine: Running, outcome: Uint8Array | undefined): void {
    const { running } = this.#settings;
    if (running.get(mine.call.key) === mine) running.delete(mine.call.key);
    const { joiners } = mine;
    mine.joiners = undefined;
    if (joiners !== undefined) for (const joiner of joiners) joiner.settle(outcome);
  }

  /** All claims of this process are renewed together, as long as there are any. */
  #renewLater(): void {
    const { store, leaseMs, running } = this.#settings;
    if (store.renew === undefined || this.#isRenewing) return;
    this.#isRenewing = true;
    this.#runtime.clock.after(leaseMs / 3, () => {
      this.#isRenewing = false;
      for (const { claim } of running.values()) {
        if (claim !== undefined) this.#quietly(() => store.renew?.(claim, this.#runtime.clock.wallMs()));
      }
      if (running.size > 0) this.#renewLater();
    }).unref();
  }

  #sweep(nowMs: number): void {
    this.#sweptMs = nowMs;
    this.#quietly(() => this.#settings.store.sweep?.(nowMs));
  }

  #bounded(action: () => Awaitable<unknown>): Promise<void> {
    const done = Promise.resolve().then(action);
    return within(this.#runtime.clock, this.#settings.storeTimeoutMs, done).then(() => undefined, (error: unknown) =>
      this.#tell("replay.store.failed", { store: this.#settings.store.name, why: RpcError.from(error).message }));
  }

  #quietly(action: () => unknown): void {
    Promise.resolve().then(action).catch((error: unknown) =>
      this.#tell("replay.store.failed", { store: this.#settings.store.name, why: RpcError.from(error).message }));
  }

  #tell(name: string, fields: Readonly<Record<string, unknown>>): void {
    const nowMs = this.#runtime.clock.now();
    if (this.#observer.event === undefined || nowMs - (this.#toldMs.get(name) ?? -Infinity) < eventEveryMs) return;
    this.#toldMs.set(name, nowMs);
    this.#observer.event(name, fields);
  }
}

/** Whether a handler's error leaves open what it did: it was cut short, or could not reach what it works with. */
function isUndecided({ code, retryable }: RpcError): boolean {
  return retryable || code === "cancelled" || code === "deadline_exceeded" || code === "unavailable";
}
