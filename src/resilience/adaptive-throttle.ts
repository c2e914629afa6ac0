/**
 * Adaptive throttling lets a client turn calls away itself once a server has turned away too many of them.
 *
 * The rule of "Site Reliability Engineering" (chapter "Handling Overload"): of the calls of a window, `requests` made
 * and `accepts` taken on, the next is turned away with probability `max(0, (requests - K x accepts) / (requests +
 * 1))`. With K = 2 the server still refuses about as many as it accepts, by which a recovery is noticed; K near 1 turns
 * away nearly all of the excess but *latches*: a server that has recovered is not offered enough to show it. Two bounds
 * here make sure of it at any K: at most `maxReject` are turned away, and one call each `probeMs` always goes through.
 */
import {
  type Criticality, expected, isPromise, type Layer, numberOption, type Observer, RpcError, type Runtime,
} from "../core/index.ts";

export interface AdaptiveThrottleOptions {
  /** How many calls are made for each that is accepted before any is turned away here. Default 2, from 1.1. */
  readonly k?: number | undefined;
  /**
   * The window over which calls are counted, in milliseconds. Default 2,000: a server sheds cheaply, and after it has
   * recovered this layer lets everything through again within two windows (the book has two minutes, for a fleet).
   */
  readonly windowMs?: number | undefined;
  /** Calls of the window below which none is turned away. Default 20. */
  readonly minCalls?: number | undefined;
  /** Largest share that is turned away. Default 0.95. */
  readonly maxReject?: number | undefined;
  /** A call goes through at least so often, in milliseconds. Default 100. */
  readonly probeMs?: number | undefined;
  /** Groups told apart (regions, servers); the one unused longest is forgotten. Default 256. */
  readonly maxGroups?: number | undefined;
  /** Whether an error is a server's refusal. Default: `resource_exhausted` of theirs. */
  readonly isRejection?: ((error: RpcError) => boolean) | undefined;
  /** Hears `throttle.share`, at most once a second a group. */
  readonly observer?: Observer | undefined;
}

export interface AdaptiveThrottle {
  /**
   * Counts a call about to be made, and says whether it may; what may not counts all the same, as the rule wants.
   * `draw`, 0 to 1, decides instead of chance: the same for all calls of one user, whose work is then done or not done
   * as a whole.
   */
  admits(group: string, criticality: Criticality, nowMs: number, draw?: number): boolean;
  /**
   * The same for a group of which nobody was refused within the window, as nearly all are nearly always: true, and the
   * call is counted. Otherwise nothing is counted, and `admits` decides.
   */
  passes(group: string, nowMs: number): boolean;
  /** Takes in how an attempt failed; those that were accepted need not be told. */
  failed(group: string, error: RpcError, nowMs: number): void;
  /** The share of calls of default criticality that is turned away now, 0 to 1. */
  share(group: string): number;
  /** The error of a call turned away: `resource_exhausted`, never started, not to be repeated. */
  refusal(group: string): RpcError;
}

/** K by criticality: what matters least is given up first, and what is critical nearly last. */
const patience: Readonly<Record<Criticality, number>> = { critical: 2, default: 1, sheddable: 0.75 };
const steps = 10;

/** Whether an error is a server's word that it has no room. */
export function isServerRejection(error: RpcError): boolean {
  return error.remote && error.code === "resource_exhausted";
}

/** Makes the state machine; {@link adaptiveThrottleLayer} makes a layer of it. */
export function adaptiveThrottle(
  runtime: Pick<Runtime, "clock" | "random">, options: AdaptiveThrottleOptions = {},
): AdaptiveThrottle {
  const settings = {
    k: numberOption("k", options.k ?? 2, { least: 1.1, most: 1_000 }),
    windowMs: numberOption("windowMs", options.windowMs ?? 2_000,
      { least: 100, most: 3_600_000, unit: "milliseconds" }),
    minCalls: numberOption("minCalls", options.minCalls ?? 20, { least: 1, most: 1e6, unit: "calls" }),
    maxReject: numberOption("maxReject", options.maxReject ?? 0.95, { least: 0, most: 0.999 }),
    probeMs: numberOption("probeMs", options.probeMs ?? 100, { least: 1, most: 60_000, unit: "milliseconds" }),
  };
  const maxGroups = numberOption("maxGroups", options.maxGroups ?? 256, { least: 1, most: 1e6, whole: true });
  const isRejection = options.isRejection ?? isServerRejection;
  const { random } = runtime;
  /** Least recently made first. */
  const groups = new Map<string, Group>();
  // Nearly all calls go to one group: it is found by a comparison.
  let lastName: string | undefined;
  let last = new Group(settings, 0);
  const groupOf = (name: string, nowMs: number): Group => {
    if (name === lastName) return last;
    let group = groups.get(name);
    if (group === undefined) {
      if (groups.size >= maxGroups) groups.delete(groups.keys().next().value as string);
      groups.set(name, group = new Group(settings, nowMs));
    }
    lastName = name;
    return last = group;
  };
  return {
    passes(name, nowMs) {
      const group = groupOf(name, nowMs);
      if (group.refused !== 0) return false;
      group.count(nowMs);
      return true;
    },
    admits(name, criticality, nowMs, draw) {
      const group = groupOf(name, nowMs);
      group.count(nowMs);
      // Where nobody was refused within the window there is nothing to reckon.
      if (group.refused === 0) return true;
      const share = group.share(patience[criticality]);
      if (share > 0) tell(options.observer, name, group, nowMs);
      if (share === 0 || (draw ?? random.next()) < 1 - share || nowMs - group.passedAtMs >= settings.probeMs) {
        group.passedAtMs = nowMs;
        return true;
      }
      group.turnAway();
      return false;
    },
    failed(name, error, nowMs) {
      if (isRejection(error)) groupOf(name, nowMs).turnAway();
    },
    share: (name) => (name === lastName ? last : groups.get(name))?.share(1) ?? 0,
    refusal: (name) => expected("resource_exhausted", `turned away before it was sent: the servers${
      name === "" ? "" : ` of ${name}`} refuse too many calls at present`,
      { neverStarted: true, retryable: false, phase: "pick", reason: "THROTTLED", retryAfterMs: settings.probeMs }),
  };
}

function tell(observer: Observer | undefined, name: string, group: Group, nowMs: number): void {
  if (observer?.event === undefined || nowMs - group.toldAtMs < 1_000) return;
  group.toldAtMs = nowMs;
  observer.event("throttle.share", {
    group: name, share: group.share(1),
    why: `${group.total - group.refused} of ${group.total} calls were accepted`,
  });
}

/**
 * The throttle as a layer around any service. The client's own stack has one by default, which counts by region; this
 * one is for other services.
 */
export function adaptiveThrottleLayer(
  runtime: Pick<Runtime, "clock" | "random">, options: AdaptiveThrottleOptions & { readonly group?: string } = {},
): Layer {
  const throttle = adaptiveThrottle(runtime, options);
  const { group = "" } = options;
  const failed = (error: unknown): never => {
    if (RpcError.is(error)) throttle.failed(group, error, runtime.clock.now());
    throw error;
  };
  return (next) => (request, context) => {
    if (!throttle.admits(group, context.method.criticality, context.startedMs)) throw throttle.refusal(group);
    try {
      const answer = next(request, context);
      return isPromise(answer) ? answer.then(undefined, failed) : answer;
    } catch (error) {
      return failed(error);
    }
  };
}

interface Settings {
  readonly k: number;
  readonly windowMs: number;
  readonly minCalls: number;
  readonly maxReject: number;
}

/** Calls and refusals, there or here, of the last window, in ten steps. */
class Group {
  readonly #settings: Settings;
  readonly #totals = new Float64Array(steps);
  readonly #refusals = new Float64Array(steps);
  total = 0;
  refused = 0;
  #step = 0;
  #stepEndsMs: number;
  passedAtMs = -Infinity;
  toldAtMs = -Infinity;

  constructor(settings: Settings, nowMs: number) {
    this.#settings = settings;
    this.#stepEndsMs = nowMs + settings.windowMs / steps;
  }

  count(nowMs: number): void {
    if (nowMs >= this.#stepEndsMs) this.#advance(nowMs);
    this.#totals[this.#step] = (this.#totals[this.#step] as number) + 1;
    this.total++;
  }

  turnAway(): void {
    // What is refused was counted when it was made; where its step has passed since, it counts in the present one.
    if (this.refused >= this.total) return;
    this.#refusals[this.#step] = (this.#refusals[this.#step] as number) + 1;
    this.refused++;
  }

  share(patience: number): number {
    const { k, minCalls, maxReject } = this.#settings;
    if (this.total < minCalls) return 0;
    const accepts = this.total - this.refused;
    const share = (this.total - Math.max(1.05, k * patience) * accepts) / (this.total + 1);
    return share <= 0 ? 0 : Math.min(maxReject, share);
  }

  #advance(nowMs: number): void {
    const stepMs = this.#settings.windowMs / steps;
    let passed = Math.floor((nowMs - this.#stepEndsMs) / stepMs) + 1;
    this.#stepEndsMs += passed * stepMs;
    passed = Math.min(passed, steps);
    for (; passed > 0; passed--) {
      this.#step = (this.#step + 1) % steps;
      this.total -= this.#totals[this.#step] as number;
      this.refused -= this.#refusals[this.#step] as number;
      this.#totals[this.#step] = this.#refusals[this.#step] = 0;
    }
    this.refused = Math.max(0, Math.min(this.refused, this.total));
  }
}

