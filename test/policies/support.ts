/** What the policies' tests share: a clock moved by hand, seeded dice, candidates and contexts from a few fields. */
import {
  Alarm, type Candidate, type Clock, Context, type ContextFields, createLoad, endpointAddress,
  type EndpointFields, type EndpointStatus, type Load, type MethodInfo, nextMethodOrdinal, type Random,
} from "../../src/core/index.ts";

export interface HandClock extends Clock {
  /** Moves time, ringing what falls due, in order. */
  advance(ms: number): void;
  /** Moves time and rings nothing on the way: what a stalled event loop looks like. Alarms ring afterwards, late. */
  stall(ms: number): void;
}

class Callback extends Alarm {
  readonly #callback: () => void;
  constructor(callback: () => void) {
    super();
    this.#callback = callback;
  }
  override ring(): void {
    this.#callback();
  }
}

export function handClock(startMs = 1_000): HandClock {
  let now = startMs;
  const alarms = new Set<Alarm>();
  const ringDue = (until: number, at?: number): void => {
    for (;;) {
      let due: Alarm | undefined;
      for (const alarm of alarms) {
        if (alarm.ringsAtMs <= until && (due === undefined || alarm.ringsAtMs < due.ringsAtMs)) due = alarm;
      }
      if (due === undefined) return;
      now = at ?? Math.max(now, due.ringsAtMs);
      clock.clear(due);
      due.ring();
    }
  };
  const clock: HandClock = {
    now: () => now,
    wallMs: () => now,
    set: (alarm, atMs) => {
      alarm.ringsAtMs = atMs;
      alarm.isSet = true;
      alarms.add(alarm);
    },
    clear: (alarm) => {
      alarm.isSet = false;
      alarms.delete(alarm);
    },
    after: (delayMs, callback) => {
      const alarm = new Callback(callback);
      clock.set(alarm, now + delayMs);
      const timer = { cancel: () => clock.clear(alarm), unref: () => timer };
      return timer;
    },
    defer: (callback) => queueMicrotask(callback),
    advance: (ms) => {
      const until = now + ms;
      ringDue(until);
      now = until;
    },
    stall: (ms) => {
      now += ms;
      ringDue(now, now);
    },
  };
  return clock;
}

/** mulberry32: small, seeded, good enough for dice. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  return { next, id: () => Math.floor(next() * 2 ** 52).toString(16).padStart(32, "0") };
}

export interface TestCandidate extends Candidate {
  status: EndpointStatus;
  readonly load: Load;
}

export function candidate(
  fields: Partial<EndpointFields> = {}, status: EndpointStatus = "ready", load: Partial<Load> = {},
): TestCandidate {
  const address = endpointAddress({ address: "10.0.0.1:80", ...fields });
  return { address, status, load: { ...createLoad(), ...load } };
}

/** `n` candidates named e0, e1, …; `fields` may differ by index. */
export function candidates(n: number, fields: (i: number) => Partial<EndpointFields> = () => ({})): TestCandidate[] {
  return Array.from({ length: n }, (_, i) => candidate({ address: `e${i}`, ...fields(i) }));
}

export function context(fields: ContextFields = {}, method: Partial<MethodInfo> = {}): Context {
  return new Context({
    service: "test.Service", name: "call", wireName: "Call", path: "test.Service/call", kind: "unary", idempotent: true,
    criticality: "default", timeoutMs: undefined, routeKey: undefined, ordinal: nextMethodOrdinal(), ...method,
  }, fields.startedMs ?? 0, fields.deadline ?? Infinity, fields);
}

/** Runs of a property test: more under MERIDIAN_FUZZ_RUNS. */
export const property = { seed: 20_260_101, numRuns: Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 100) };

/** Lets promise jobs run. */
export async function jobs(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
