// phi-accrual (Hayashibara and others, SRDS 2004) with Akka's defaults: a heartbeat each second to whom one watches,
// its answer is the sign of life; phi 8, deviation at least 100 ms, a pause of 3 s, looked at each second.
//
// The estimator is production code (src/health/phi-accrual.ts). Heartbeats are datagrams, as SWIM's are.
import { phiAccrual, type PhiEstimator } from "../../src/health/index.ts";
import { Agenda, type Happening } from "./agenda.ts";
import { Chance } from "./chance.ts";
import type { Fault, Faults } from "./faults.ts";
import type { Tally } from "./tally.ts";

export interface PhiOptions {
  readonly seed: number;
  readonly loss: number;
  /** By how many each is watched. Default 5. */
  readonly observers?: number;
}

const periodMs = 1_000;
/** A request or an answer on the wire. */
const bytes = 120;

interface Watched {
  readonly target: number;
  estimator: PhiEstimator;
  lastHeardMs: number;
  limitMs: number;
  isFailed: boolean;
}

interface PhiEvent extends Happening {
  readonly kind: "beat" | "look" | "heard" | "asked" | "wake";
  readonly node: number;
  readonly from: number;
}

/** Runs the detector to the end of the faults. */
export function runPhi(faults: Faults, tally: Tally, options: PhiOptions): void {
  new Phi(faults, tally, options).run();
}

class Phi {
  readonly #faults: Faults;
  readonly #tally: Tally;
  readonly #chance: Chance;
  readonly #agenda = new Agenda<PhiEvent>();
  readonly #watched: Watched[][];
  /** Who is held in a stall, and what waits for its end. */
  readonly #held: (Fault | undefined)[] = [];
  readonly #waiting: PhiEvent[][];
  readonly #rule = phiAccrual({
    threshold: 8, minDeviationMs: 100, acceptablePauseMs: 3_000, firstIntervalMs: periodMs, window: 1_000, leastMs: 0,
    mostMs: Infinity,
  });

  constructor(faults: Faults, tally: Tally, { seed, loss, observers = 5 }: PhiOptions) {
    this.#faults = faults;
    this.#tally = tally;
    this.#chance = new Chance(`phi ${seed}`, loss);
    const count = faults.nodes;
    this.#watched = Array.from({ length: count }, (_, i) =>
      Array.from({ length: observers }, (_, k) => this.#fresh((i + k + 1) % count, 0)));
    this.#waiting = Array.from({ length: count }, () => []);
  }

  run(): void {
    const [faults, agenda] = [this.#faults, this.#agenda];
    for (let i = 0; i < faults.nodes; i++) {
      this.#add("beat", i, this.#chance.next() * periodMs);
      this.#add("look", i, this.#chance.next() * periodMs);
    }
    for (const fault of faults.all) this.#add("wake", fault.node, fault.untilMs);
    while (agenda.nextAtMs < faults.lengthMs) {
      const event = agenda.take() as PhiEvent;
      const { node, atMs } = event;
      const fault = faults.faultAt(node, atMs);
      if (event.kind === "wake") this.#wake(node, atMs);
      else if (fault?.kind === "crash") continue;
      else if (fault !== undefined && this.#held[node] === fault) this.#waiting[node]?.push(event);
      else {
        this.#held[node] = fault;
        this.#handle(event, atMs);
      }
    }
  }

  #add(kind: PhiEvent["kind"], node: number, atMs: number, from = -1): void {
    this.#agenda.add({ kind, node, atMs, order: 0, from });
  }

  #fresh(target: number, nowMs: number): Watched {
    return { target, estimator: this.#rule.watch(), lastHeardMs: nowMs, limitMs: Infinity, isFailed: false };
  }

  #wake(node: number, atMs: number): void {
    const events = this.#waiting[node] as PhiEvent[];
    this.#waiting[node] = [];
    this.#held[node] = undefined;
    if (this.#faults.faultAt(node, atMs - 1)?.kind === "crash") {
      // It begins anew and knows nothing of the others' past.
      this.#watched[node] = (this.#watched[node] as Watched[]).map((one) => this.#fresh(one.target, atMs));
      this.#add("beat", node, atMs);
      this.#add("look", node, atMs + periodMs);
      return;
    }
    const isTimer = ({ kind }: PhiEvent): boolean => kind === "look" || kind === "beat";
    // Timers first, then the socket.
    for (const one of events) if (isTimer(one)) this.#handle(one, atMs);
    for (const one of events) if (!isTimer(one)) this.#handle(one, atMs);
  }

  #handle(event: PhiEvent, nowMs: number): void {
    const { node } = event;
    switch (event.kind) {
      case "look":
        for (const one of this.#watched[node] as Watched[]) {
          if (one.isFailed || nowMs - one.lastHeardMs <= one.limitMs) continue;
          one.isFailed = true;
          this.#tally.declared(node, one.target, nowMs);
        }
        this.#add("look", node, nowMs + periodMs);
        break;
      case "beat":
        for (const one of this.#watched[node] as Watched[]) this.#ask(node, one, nowMs);
        this.#add("beat", node, nowMs + periodMs);
        break;
      case "asked":
        this.#tally.sent(bytes);
        if (this.#chance.lost()) return;
        this.#add("heard", event.from, this.#departsMs(node, nowMs) + this.#chance.latencyMs(), node);
        break;
      case "heard": {
        const one = this.#watched[node]?.find(({ target }) => target === event.from);
        if (one !== undefined) hear(one, nowMs);
        break;
      }
      default:
    }
  }

  #ask(node: number, one: Watched, nowMs: number): void {
    const [tally, chance] = [this.#tally, this.#chance];
    tally.sent(bytes);
    if (chance.lost()) return;
    const departsMs = this.#departsMs(node, nowMs);
    const asksMs = departsMs + chance.latencyMs();
    // What nothing can come between needs no events.
    if (departsMs > nowMs || !this.#isFree(one.target, nowMs) || !this.#isFree(node, nowMs)) {
      this.#add("asked", one.target, asksMs, node);
      return;
    }
    tally.sent(bytes);
    if (!chance.lost()) hear(one, asksMs + chance.latencyMs());
  }

  /** What is sent in a stall leaves at its end. */
  #departsMs(node: number, nowMs: number): number {
    return Math.max(nowMs, this.#faults.faultAt(node, nowMs)?.untilMs ?? 0);
  }

  /** Nothing befalls it before an answer can be there. */
  #isFree(node: number, nowMs: number): boolean {
    const faults = this.#faults;
    return faults.faultAt(node, nowMs) === undefined && faults.faultAt(node, nowMs + 20) === undefined;
  }
}

function hear(one: Watched, nowMs: number): void {
  one.estimator.heard(nowMs - one.lastHeardMs);
  one.limitMs = one.estimator.limitMs();
  one.lastHeardMs = nowMs;
  one.isFailed = false;
}
