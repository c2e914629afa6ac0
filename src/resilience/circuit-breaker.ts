/**
 * A circuit breaker stops calling what keeps failing, or has become slow, and finds out gently whether it works again.
 *
 * Closed, it counts failures and slow calls; open, it lets nothing through for a while that doubles with each failure
 * to recover; half-open, every success lets one more call through at a time, so that the share of the traffic grows,
 * and a failure opens it again.
 */
import {
  badOption, type Clock, expected, isPromise, type Layer, numberOption, type Observer, RpcError, type Runtime,
} from "../core/index.ts";

export interface CircuitBreakerOptions {
  /** Failures in a row that open it. Default 5. */
  readonly consecutiveFailures?: number;
  /** Share of failures within the window that opens it. Default 0.5. */
  readonly failureRate?: number;
  /** A call that took longer than this is slow, in milliseconds. Default none is. */
  readonly slowCallMs?: number | undefined;
  /** Share of slow calls within the window that opens it. Default 0.8; needs `slowCallMs`. */
  readonly slowCallRate?: number | undefined;
  /** Calls within the window below which the share means nothing. Default 20. */
  readonly minCalls?: number;
  /** The sliding window, in milliseconds. Default 10,000. */
  readonly windowMs?: number;
  /** How long it stays open at first, in milliseconds. Default 1,000; doubles while it does not recover. */
  readonly openMs?: number;
  /** Longest time it stays open, in milliseconds. Default 30,000. */
  readonly maxOpenMs?: number;
  /** Successes while half-open that close it. Default 10. */
  readonly closeAfter?: number;
  /** Whether an error counts. Default: those that speak against the callee (unavailable, deadline, internal ...). */
  readonly isFailure?: (error: unknown) => boolean;
  /** What it guards, for messages and events. Default "". */
  readonly name?: string;
  /** Hears `breaker.state`. */
  readonly observer?: Observer | undefined;
}

/** `opens` counts openings since it was last closed. */
export type CircuitState =
  | { readonly kind: "closed"; consecutive: number }
  | { readonly kind: "open"; readonly untilMs: number; readonly opens: number }
  | { readonly kind: "half_open"; readonly opens: number; admitted: number; admittedAtMs: number; succeeded: number };

export interface CircuitBreaker {
  readonly state: CircuitState;
  /** Whether a call may go through now. A half-open breaker counts it as under way until it is recorded. */
  allows(nowMs: number): boolean;
  /** Records the end of a call that was let through, and if it is known how long it took. */
  record(failed: boolean, nowMs: number, latencyMs?: number): void;
  /** Says that a call let through ended without telling anything (cancelled). */
  release(): void;
  /** The breaker as a layer. A call not let through ends with `unavailable`, never started. */
  readonly layer: Layer;
}

const badCodes: ReadonlySet<string> = new Set(["unavailable", "deadline_exceeded", "internal", "unknown", "data_loss"]);

/** Whether an error speaks against the callee, rather than against the call. */
export function speaksAgainstCallee(error: unknown): boolean {
  return !RpcError.is(error) || badCodes.has(error.code);
}

/** Makes a breaker, closed. Keep one per endpoint, or per whatever fails together. */
export function circuitBreaker(
  runtime: Pick<Runtime, "clock">, options: CircuitBreakerOptions = {},
): CircuitBreaker {
  const { clock } = runtime;
  const { consecutiveFailures = 5, failureRate = 0.5, minCalls = 20, windowMs = 10_000 } = options;
  const { openMs = 1_000, maxOpenMs = 30_000, closeAfter = 10, name = "" } = options;
  const { slowCallMs = Infinity, slowCallRate = 0.8 } = options;
  check({ consecutiveFailures, failureRate, minCalls, windowMs, openMs, maxOpenMs, closeAfter }, options);
  const window = callWindow(windowMs, { minCalls, failureRate, slowCallMs, slowCallRate });
  let state: CircuitState = { kind: "closed", consecutive: 0 };

  function become(next: CircuitState, why: string): void {
    state = next;
    options.observer?.event?.("breaker.state", { name, state: next.kind, why });
  }

  function open(nowMs: number, opens: number, why: string): void {
    window.clear();
    become({ kind: "open", untilMs: nowMs + Math.min(maxOpenMs, openMs * 2 ** (opens - 1)), opens }, why);
  }

  function allows(nowMs: number): boolean {
    if (state.kind === "closed") return true;
    if (state.kind === "open") {
      if (nowMs < state.untilMs) return false;
      const { opens } = state;
      become({ kind: "half_open", opens, admitted: 0, admittedAtMs: nowMs, succeeded: 0 }, "time is up");
    }
    if (state.kind !== "half_open") return true;
    // Calls whose end nobody recorded must not keep it half-open for ever.
    if (nowMs - state.admittedAtMs > maxOpenMs) state.admitted = 0;
    if (state.admitted > state.succeeded) return false;
    state.admitted++;
    state.admittedAtMs = nowMs;
    return true;
  }

  function record(failed: boolean, nowMs: number, latencyMs = 0): void {
    const isSlow = latencyMs > slowCallMs;
    switch (state.kind) {
      case "closed": {
        state.consecutive = failed ? state.consecutive + 1 : 0;
        const why = window.record(failed, isSlow, nowMs) ??
          (state.consecutive >= consecutiveFailures ? `${state.consecutive} failures in a row` : undefined);
        if (why !== undefined) open(nowMs, 1, why);
        return;
      }
      case "half_open":
        state.admitted = Math.max(0, state.admitted - 1);
        if (failed || isSlow) open(nowMs, state.opens + 1, failed ? "failed again" : "slow again");
        else if (++state.succeeded >= closeAfter) become({ kind: "closed", consecutive: 0 }, "recovered");
        return;
      case "open":
        // The end of a call from before: it has been reckoned with.
    }
  }

  const breaker = {
    get state() {
      return state;
    },
    allows,
    record,
    release: () => {
      if (state.kind === "half_open") state.admitted = Math.max(0, state.admitted - 1);
    },
  };
  return Object.defineProperty(breaker as CircuitBreaker, "layer", {
    value: breakerLayer(clock, breaker, name, options.isFailure ?? speaksAgainstCallee), enumerable: true,
  });
}

function check(
  numbers: Readonly<Record<string, number>>, { slowCallMs, slowCallRate }: CircuitBreakerOptions,
): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (name === "failureRate") numberOption(name, value, { least: 0.001, most: 1 });
    else if (name.endsWith("Ms")) numberOption(name, value, { least: 1, most: 86_400_000, unit: "milliseconds" });
    else numberOption(name, value, { least: 1, most: 1e9, unit: "calls" });
  }
  const { openMs = 0, maxOpenMs = 0 } = numbers;
  if (openMs > maxOpenMs) throw badOption("openMs", openMs, `it is above maxOpenMs, which is ${maxOpenMs}`);
  if (slowCallMs !== undefined) numberOption("slowCallMs", slowCallMs, { least: 0, unit: "milliseconds" });
  if (slowCallRate === undefined) return;
  numberOption("slowCallRate", slowCallRate, { least: 0.001, most: 1 });
  if (slowCallMs === undefined) throw badOption("slowCallRate", slowCallRate, "it needs slowCallMs: what is slow?");
}

function breakerLayer(
  clock: Clock, breaker: Omit<CircuitBreaker, "layer">, name: string, isFailure: (error: unknown) => boolean,
): Layer {
  return (next) => (request, context) => {
    const beganMs = clock.now();
    const ended = (error: unknown): never => {
      const nowMs = clock.now();
      if (RpcError.is(error) && error.code === "cancelled") breaker.release();
      else breaker.record(isFailure(error), nowMs, nowMs - beganMs);
      throw error;
    };
    const succeeded = <T>(value: T): T => {
      const nowMs = clock.now();
      breaker.record(false, nowMs, nowMs - beganMs);
      return value;
    };
    if (!breaker.allows(beganMs)) {
      throw expected("unavailable", `the circuit breaker${name === "" ? "" : ` of ${name}`} is open`,
        { neverStarted: true, phase: "pick" });
    }
    let answer: unknown;
    try {
      answer = next(request, context);
    } catch (error) {
      return ended(error);
    }
    return isPromise(answer) ? answer.then(succeeded, ended) : succeeded(answer);
  };
}

interface Shares {
  readonly minCalls: number;
  readonly failureRate: number;
  readonly slowCallMs: number;
  readonly slowCallRate: number;
}

/** Failures and slow calls of the last `windowMs`; says when one of them has become too many, and how many. */
function callWindow(windowMs: number, { minCalls, failureRate, slowCallMs, slowCallRate }: Shares) {
  const failures = slidingCount(windowMs);
  const slow = slowCallMs === Infinity ? undefined : slidingCount(windowMs);
  return {
    clear: () => {
      failures.clear();
      slow?.clear();
    },
    record: (failed: boolean, isSlow: boolean, nowMs: number): string | undefined => {
      failures.add(failed, nowMs);
      slow?.add(isSlow, nowMs);
      if (failed && failures.total >= minCalls && failures.failed >= failures.total * failureRate) {
        return `${failures.failed} of ${failures.total} calls failed`;
      }
      if (slow !== undefined && isSlow && slow.total >= minCalls && slow.failed >= slow.total * slowCallRate) {
        return `${slow.failed} of ${slow.total} calls took longer than ${slowCallMs} ms`;
      }
      return undefined;
    },
  };
}

/** Counts of the last `windowMs`, in ten steps. */
function slidingCount(windowMs: number) {
  const steps = 10;
  const stepMs = windowMs / steps;
  const totals = new Float64Array(steps);
  const failures = new Float64Array(steps);
  let step = 0;
  const count = {
    total: 0,
    failed: 0,
    clear: () => {
      totals.fill(0);
      failures.fill(0);
      count.total = count.failed = 0;
    },
    add: (failed: boolean, nowMs: number) => {
      const present = Math.floor(nowMs / stepMs);
      if (present - step >= steps) count.clear();
      else {
        for (let passed = step + 1; passed <= present; passed++) {
          const slot = passed % steps;
          count.total -= totals[slot] as number;
          count.failed -= failures[slot] as number;
          totals[slot] = failures[slot] = 0;
        }
      }
      step = Math.max(step, present);
      const slot = step % steps;
      totals[slot] = (totals[slot] as number) + 1;
      count.total++;
      if (!failed) return;
      failures[slot] = (failures[slot] as number) + 1;
      count.failed++;
    },
  };
  return count;
}
