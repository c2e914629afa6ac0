/**
 * A Gather calls many targets for one answer: bounded in number, under one deadline, cancelling whom it needs no more.
 *
 * What it waits for is said by a {@link Rule}. Semantics of brpc's ParallelChannel (a mapper before, a merger after, a
 * limit of failures) and, with one call at a time, of its SelectiveChannel.
 */
import { follow, forget } from "../client/cancellation.ts";
import type { AnyContract, CallOptions, Client, InputOf, OutputOf } from "../contract/index.ts";
import {
  badOption, type Cancellable, Context, expected, type MethodInfo, numberOption, type Observer, RpcError,
} from "../core/index.ts";
import type { Metadata } from "../core/index.ts";
import { type HedgeOptions, hedging, type Hedging } from "./hedging.ts";
import { type Answer, type Failure, gatherError } from "./outcome.ts";
import type { Place, Target, Targets } from "./target.ts";

/** The names of a contract's methods that take one message and answer one. */
export type UnaryName<S extends AnyContract> = {
  [Name in keyof S["methods"]]: S["methods"][Name]["kind"] extends "unary" ? Name : never;
}[keyof S["methods"]] & string;

export type Input<S extends AnyContract, Name extends keyof S["methods"]> = InputOf<S["methods"][Name]>;
export type Output<S extends AnyContract, Name extends keyof S["methods"]> = OutputOf<S["methods"][Name]>;

/** What a caller may say of one gathering. The deadline holds for all of its calls together. */
export interface GatherCallOptions extends Omit<CallOptions, "onMetadata"> {
  /** Hears the metadata of every reply. */
  readonly onMetadata?: ((target: Place, kind: "header" | "trailer", metadata: Metadata) => void) | undefined;
}

/** What all kinds of gathering have in common. */
export interface GatherOptions<S extends AnyContract, Name extends keyof S["methods"]> {
  /** Milliseconds for a call that says nothing and whose method says nothing. Default 15,000. */
  readonly timeoutMs?: number | undefined;
  /** Most calls under way at once; the next is begun when one has ended. Default 256. */
  readonly concurrency?: number | undefined;
  /** What a target is asked; undefined passes it over. Default: the input as it is. */
  readonly map?: ((input: Input<S, Name>, target: Place, index: number, count: number) =>
    Input<S, Name> | undefined) | undefined;
  /** A second call of a target that is slow, at another of its endpoints. Default none. */
  readonly hedge?: HedgeOptions | undefined;
  /** Hears `gather.hedge` and `gather.failed`. */
  readonly observer?: Observer | undefined;
}

/** What a gathering has found so far. */
export interface Found<T> {
  /** By the index of the target; absent where nothing is known yet. */
  readonly answers: readonly (Answer<T> | undefined)[];
  readonly failures: readonly (Failure | undefined)[];
  readonly count: number;
  readonly answered: number;
  readonly failed: number;
  /** The answer that came last. */
  readonly latest: Answer<T> | undefined;
}

/** When a gathering is over, and what it amounts to. */
export interface Rule<T, R> {
  /** Why it cannot be, with so few targets; asked once, before anything is called. */
  readonly refuse?: (count: number) => string | undefined;
  /** Asked after every outcome. A text says that it has failed, and why. */
  readonly judge: (found: Found<T>) => "wait" | "done" | { readonly failed: string };
  /** What it answers once it is done. May throw. */
  readonly result: (found: Found<T>) => R;
  /** Calls that are worth having under way, once the first have been begun. Default: as many as may be. */
  readonly wants?: (found: Found<T>) => number;
  /** Whether calls go on after it is done, to be heard by `ended`: as long as its deadline allows. */
  readonly lingers?: boolean;
  readonly ended?: (found: Found<T>) => void;
  /** So much before the deadline everything that has not answered has failed. */
  readonly reserveMs?: number;
}

/** A gathering ready to be called. */
export type Gathering<S extends AnyContract, Name extends keyof S["methods"], R> =
  (input: Input<S, Name>, options?: GatherCallOptions) => Promise<R>;

export interface Plan<S extends AnyContract> {
  readonly targets: Targets<S>;
  readonly method: MethodInfo;
  readonly timeoutMs: number;
  readonly concurrency: number;
  readonly map: ((input: unknown, target: Place, index: number, count: number) => unknown) | undefined;
  readonly hedging: Hedging | undefined;
  readonly observer: Observer | undefined;
}

/** Checks the options, and makes a function that gathers as the rule of each call says. */
export function gathering<S extends AnyContract, Name extends UnaryName<S>, R>(
  targets: Targets<S>, name: Name, options: GatherOptions<S, Name>,
  makeRule: (input: Input<S, Name>) => Rule<Output<S, Name>, R>,
): Gathering<S, Name, R> {
  const plan = planOf(targets, name, options);
  return async (input, call = {}) => {
    const nowMs = targets.runtime.clock.now();
    const ownMs = numberOption("timeoutMs", call.timeoutMs ?? plan.timeoutMs, { least: Number.MIN_VALUE });
    const deadline = Math.min(call.deadline ?? Infinity, call.context?.deadline ?? Infinity, nowMs + ownMs);
    const list = await known(targets, Math.min(deadline, nowMs + knownWithinMs));
    return new Gather<S, Output<S, Name>, R>(plan, list, makeRule(input), call, deadline).run(input);
  };
}

function planOf<S extends AnyContract, Name extends UnaryName<S>>(
  targets: Targets<S>, name: Name, options: GatherOptions<S, Name>,
): Plan<S> {
  const method = Object.hasOwn(targets.contract.methods, name) ? targets.contract.methods[name] : undefined;
  if (method?.kind !== "unary") throw badOption("method", name, `expected a unary method of ${targets.contract.name}`);
  const { concurrency = 256, hedge } = options;
  if (hedge !== undefined && method.idempotent === false) {
    throw badOption("hedge", "set", `${method.path} is not idempotent, so a second call might act twice`);
  }
  return {
    targets, method, observer: options.observer,
    timeoutMs: numberOption("timeoutMs", options.timeoutMs ?? method.timeoutMs ?? 15_000,
      { least: 1, unit: "milliseconds" }),
    concurrency: numberOption("concurrency", concurrency, { least: 1, most: 100_000, whole: true, unit: "calls" }),
    map: options.map as Plan<S>["map"],
    hedging: hedge && hedging(targets.runtime, hedge),
  };
}

/** How long a list may stay empty before there is nobody: discovery may not have said anything yet. */
const knownWithinMs = 1_000;

async function known<S extends AnyContract>(targets: Targets<S>, untilMs: number): Promise<readonly Target<S>[]> {
  const { clock } = targets.runtime;
  let list = targets.list();
  for (let waitMs = 1; list.length === 0 && clock.now() < untilMs; waitMs = Math.min(50, waitMs * 2)) {
    await new Promise<void>((resolve) => void clock.after(waitMs, resolve));
    list = targets.list();
  }
  return list;
}

type TargetList<S extends AnyContract> = readonly Target<S>[];
type AnyCall = (input: unknown, options: CallOptions) => Promise<unknown>;

class Gather<S extends AnyContract, T, R> implements Found<T>, Cancellable {
  readonly answers: (Answer<T> | undefined)[];
  readonly failures: (Failure | undefined)[];
  answered = 0;
  failed = 0;
  latest: Answer<T> | undefined = undefined;
  readonly #plan: Plan<S>;
  readonly #targets: readonly Target<S>[];
  readonly #rule: Rule<T, R>;
  readonly #call: GatherCallOptions;
  readonly #deadline: number;
  /** Calls under way by target, twice where one was hedged. */
  readonly #active = new Map<number, Leaf<S>>();
  #input: unknown = undefined;
  #next = 0;
  /** Targets that the mapper passed over. */
  readonly #skipped = new Set<number>();
  #state: "running" | "lingering" | "over" = "running";
  #resolve: ((value: R) => void) | undefined = undefined;
  #reject: ((error: RpcError) => void) | undefined = undefined;
  #scope: Context | undefined = undefined;
  #timer: { cancel(): void } | undefined = undefined;

  constructor(
    plan: Plan<S>, targets: TargetList<S>, rule: Rule<T, R>, call: GatherCallOptions, deadline: number,
  ) {
    this.#plan = plan;
    this.#targets = targets;
    this.#rule = rule;
    this.#call = call;
    this.#deadline = deadline;
    this.answers = Array.from({ length: targets.length });
    this.failures = Array.from({ length: targets.length });
  }

  get count(): number {
    return this.#targets.length - this.#skipped.size;
  }

  run(input: unknown): Promise<R> {
    this.#input = input;
    const refusal = this.#targets.length === 0
      ? `nobody to ask: discovery knows no target of "${this.#plan.targets.contract.name}"`
      : this.#rule.refuse?.(this.#targets.length);
    if (refusal !== undefined) return Promise.reject(refused(refusal));
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#listen();
      if (this.#state === "over") return;
      this.#fill(this.#plan.concurrency);
      this.#judge();
    });
  }

  /** The caller's signal or its own call ends this one. */
  #listen(): void {
    const { context, signal } = this.#call;
    const { clock } = this.#plan.targets.runtime;
    if (context !== undefined || signal !== undefined) {
      this.#scope = new Context(this.#plan.method, clock.now(), this.#deadline);
      this.#scope.onCancel(this);
      context?.onCancel(this);
      if (signal !== undefined) follow(signal, this.#scope);
    }
    const { reserveMs } = this.#rule;
    if (reserveMs !== undefined && this.#deadline < Infinity && this.#state !== "over") {
      this.#timer = clock.after(Math.max(0, this.#deadline - reserveMs - clock.now()), () => this.#timeIsUp());
    }
  }

  cancelled(reason: RpcError): void {
    this.#over(reason);
    this.#reject?.(reason);
  }

  /** Whoever has not answered has failed; the rule decides what that means. */
  #timeIsUp(): void {
    this.#next = this.#targets.length;
    this.#targets.forEach((target, index) => {
      if (this.answers[index] !== undefined || this.failures[index] !== undefined || this.#skipped.has(index)) return;
      const leaf = this.#active.get(index);
      this.#active.delete(index);
      const error = expected("deadline_exceeded", leaf === undefined ? "not begun in time" : "no answer in time");
      leaf?.cancel(error);
      this.failures[index] = { target, error, latencyMs: leaf?.elapsedMs() ?? 0 };
      this.failed++;
    });
    this.#judge();
  }

  #fill(most: number): void {
    const { map, targets: { runtime } } = this.#plan;
    while (this.#state === "running" && this.#next < this.#targets.length && this.#active.size < most) {
      const index = this.#next++;
      const target = this.#targets[index] as Target<S>;
      let input = this.#input;
      if (map !== undefined) {
        try {
          input = map(input, target, index, this.#targets.length);
        } catch (error) {
          this.#failed(index, RpcError.from(error), 0);
          continue;
        }
        if (input === undefined) {
          this.#skipped.add(index);
          continue;
        }
      }
      if (runtime.clock.now() >= this.#deadline) {
        this.#failed(index, expected("deadline_exceeded", "not begun in time", { neverStarted: true }), 0);
        continue;
      }
      this.#begin(index, target, input);
    }
  }

  #begin(index: number, target: Target<S>, input: unknown): void {
    const leaf = new Leaf(this.#plan, this.#call, target, input, this.#deadline);
    this.#active.set(index, leaf);
    leaf.begin((error, value) => {
      if (this.#active.get(index) !== leaf) return;
      this.#active.delete(index);
      if (error === undefined) {
        this.latest = this.answers[index] = { target, value: value as T, latencyMs: leaf.elapsedMs() };
        this.answered++;
      } else {
        this.#failed(index, error, leaf.elapsedMs());
      }
      if (this.#state === "running") this.#judge();
      if (this.#state === "lingering" && this.#active.size === 0) this.#over(undefined);
    });
  }

  #failed(index: number, error: RpcError, latencyMs: number): void {
    this.failures[index] = { target: this.#targets[index] as Target<S>, error, latencyMs };
    this.failed++;
  }

  #judge(): void {
    for (;;) {
      const verdict = this.#rule.judge(this);
      if (verdict === "done") {
        this.#done();
        return;
      }
      if (verdict !== "wait") {
        this.#fail(verdict.failed);
        return;
      }
      const before = this.#next;
      const wanted = this.#rule.wants?.(this) ?? Infinity;
      this.#fill(Math.min(this.#plan.concurrency, wanted));
      // A target that was passed over, or could not be begun, may have decided it.
      if (this.#next === before || this.#active.size > 0) return;
    }
  }

  #done(): void {
    let result: R;
    try {
      result = this.#rule.result(this);
    } catch (error) {
      const failure = RpcError.from(error);
      this.#over(failure);
      this.#reject?.(failure);
      return;
    }
    if (this.#rule.lingers === true && this.#active.size > 0) {
      this.#state = "lingering";
      this.#unlisten();
    } else {
      this.#over(undefined);
    }
    this.#resolve?.(result);
  }

  #fail(why: string): void {
    const failures = this.failures.filter((one) => one !== undefined);
    const error = gatherError(why, { failures, targets: this.count, answered: this.answered });
    const { method, observer } = this.#plan;
    observer?.event?.("gather.failed", {
      method: method.path, code: error.code, targets: this.count, answered: this.answered, failed: this.failed, why,
    });
    this.#over(error);
    this.#reject?.(error);
  }

  #over(reason: RpcError | undefined): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#unlisten();
    if (this.#active.size > 0) {
      const why = reason?.code === "cancelled" ? reason : expected("cancelled", "no more answers are needed");
      for (const leaf of this.#active.values()) leaf.cancel(why);
      this.#active.clear();
    }
    this.#rule.ended?.(this);
  }

  #unlisten(): void {
    this.#timer?.cancel();
    this.#call.context?.offCancel(this);
    if (this.#call.signal !== undefined && this.#scope !== undefined) forget(this.#call.signal, this.#scope);
  }
}

function refused(why: string): RpcError {
  return expected("unavailable", why, { neverStarted: true, phase: "pick" });
}

/** The call of one target, with its hedge. */
class Leaf<S extends AnyContract> {
  readonly #plan: Plan<S>;
  readonly #call: GatherCallOptions;
  readonly #target: Target<S>;
  readonly #input: unknown;
  readonly #deadline: number;
  readonly #startedMs: number;
  readonly #key: string | undefined;
  #first: Context | undefined = undefined;
  #second: Context | undefined = undefined;
  #failures = 0;
  #timer: { cancel(): void } | undefined = undefined;
  #ended: (error: RpcError | undefined, value: unknown) => void = () => undefined;

  constructor(plan: Plan<S>, call: GatherCallOptions, target: Target<S>, input: unknown, deadline: number) {
    this.#plan = plan;
    this.#call = call;
    this.#target = target;
    this.#input = input;
    this.#deadline = deadline;
    this.#startedMs = plan.targets.runtime.clock.now();
    this.#key = keyFor(plan, call, target);
  }

  elapsedMs(): number {
    return this.#plan.targets.runtime.clock.now() - this.#startedMs;
  }

  begin(ended: (error: RpcError | undefined, value: unknown) => void): void {
    this.#ended = ended;
    const target = this.#target;
    this.#first = this.#attempt(target.call, 1);
    const { hedging: hedge, method, observer } = this.#plan;
    if (hedge === undefined || target.avoiding === undefined || target.size < 2) return;
    const { picked } = target;
    const delayMs = hedge.delayMs();
    hedge.began();
    if (delayMs === undefined || this.#startedMs + delayMs >= this.#deadline) return;
    this.#timer = this.#plan.targets.runtime.clock.after(delayMs, () => {
      if (!hedge.take()) return;
      const why = `no answer in ${delayMs} ms`;
      observer?.event?.("gather.hedge", { method: method.path, target: target.name, why });
      this.#second = this.#attempt((target.avoiding as NonNullable<Target<S>["avoiding"]>)(picked), 2);
    });
  }

  #attempt(methods: Client<S>, outOf: 1 | 2): Context {
    const { method, hedging: hedge } = this.#plan;
    const { onMetadata } = this.#call;
    const nowMs = this.#plan.targets.runtime.clock.now();
    const context = new Context(method, nowMs, this.#deadline);
    const call = (methods as unknown as Record<string, AnyCall>)[method.name] as AnyCall;
    const answer = call(this.#input, {
      context, timeoutMs: Infinity, metadata: this.#call.metadata, idempotencyKey: this.#key,
      routeKey: this.#call.routeKey,
      onMetadata: onMetadata && ((kind, metadata) => onMetadata(this.#target, kind, metadata)),
    });
    answer.then((value) => {
      if (outOf === 1) hedge?.ended(this.elapsedMs());
      this.#settle(undefined, value);
    }, (error: unknown) => {
      // A hedge that fails leaves the first call its chance, and the other way round.
      if (++this.#failures < (this.#second === undefined ? 1 : 2)) return;
      this.#settle(RpcError.from(error), undefined);
    });
    return context;
  }

  #settle(error: RpcError | undefined, value: unknown): void {
    this.cancel(notNeeded(this.#second));
    this.#ended(error, value);
  }

  /** Ends both calls; the one that has ended already does not mind. */
  cancel(reason: RpcError | undefined): void {
    this.#timer?.cancel();
    if (reason === undefined) return;
    this.#first?.cancel(reason);
    this.#second?.cancel(reason);
  }
}

function notNeeded(second: Context | undefined): RpcError | undefined {
  return second && expected("cancelled", "another endpoint answered first");
}

/** Most characters of an idempotency key. */
const maxKeyChars = 256;

/** Each target is another server: a repeat there is known by the key, and is not the call of its neighbour. */
function keyFor<S extends AnyContract>(plan: Plan<S>, call: GatherCallOptions, target: Place): string | undefined {
  if (plan.method.idempotent !== "keyed" && call.idempotencyKey === undefined) return undefined;
  const own = call.idempotencyKey ?? plan.targets.runtime.random.id();
  return `${own}@${target.id}`.slice(0, maxKeyChars);
}
