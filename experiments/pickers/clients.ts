// Clients that do nothing but choose: each has a picker of its own and, of each server, what it has seen (`Load`).
//
// Pickers, `Load`, `recordAttempt`, and the server's estimate of its latency are the production code, updated in the
// order in which a production endpoint does it. Between them is a delay instead of connections and frames: 10,000 of
// these would be a gigabyte, and say nothing of pickers.
import {
  type Candidate, Context, createLoad, endpointAddress, type Load, type LoadReport, type MethodInfo, type Picker,
  recordAttempt,
} from "../../src/core/index.ts";
import type { Agenda, Happening } from "./agenda.ts";

/** A server as the clients' world needs it. */
export interface Server {
  readonly inFlight: number;
  /** Begins a call, which says itself when it is done. */
  begin(call: Call): void;
  /** Drops it, wherever it is. */
  cancel(call: Call): void;
  /** What it tells when so many are in flight. */
  report(inFlight: number): LoadReport;
}

export interface Traffic {
  readonly agenda: Agenda;
  readonly oneWayMs: number;
  readonly deadlineMs: number;
  probes: number;
  /** Of a call that counts: how long it took, the deadline's time if it was not done by then. */
  ended(tookMs: number, failed: boolean): void;
}

/** At most so often does a connection carry a load report, in milliseconds: the native wire's interval. */
const reportIntervalMs = 5;
const zero = { cpu: 0, memory: 0, callsPerSecond: 0, errorsPerSecond: 0, loopLagMs: 0 };

/** What a server tells of itself by these two figures. */
export function reportOf(inFlight: number, latencyMs: number): LoadReport {
  return { ...zero, inFlight, latencyMs };
}

/** One server as one client sees it. */
export class Seen implements Candidate {
  readonly address;
  readonly status = "ready";
  readonly load: Load = createLoad();
  readonly server: Server;
  readonly #traffic: Traffic;
  #isAsked = false;
  #reportedMs = -Infinity;

  constructor(name: string, server: Server, traffic: Traffic) {
    this.address = endpointAddress({ address: name });
    this.server = server;
    this.#traffic = traffic;
  }

  askLoad(): boolean {
    if (this.#isAsked) return false;
    this.#isAsked = true;
    const { agenda, oneWayMs } = this.#traffic;
    this.#traffic.probes++;
    agenda.add(agenda.nowMs + oneWayMs, { happen: () => {
      const report = this.server.report(this.server.inFlight);
      agenda.add(agenda.nowMs + oneWayMs, { happen: () => {
        this.#isAsked = false;
        this.told(report);
      } });
    } });
    return true;
  }

  /** The report that a reply carries, if one is due. */
  dueReport(): LoadReport | undefined {
    const { nowMs } = this.#traffic.agenda;
    if (nowMs - this.#reportedMs < reportIntervalMs) return undefined;
    this.#reportedMs = nowMs;
    return this.server.report(this.server.inFlight);
  }

  told(report: LoadReport): void {
    this.load.report = report;
    this.load.sinceReport = 0;
    this.load.reportAtMs = this.#traffic.agenda.nowMs;
  }
}

const method: MethodInfo = {
  service: "pickers.v1.Work", name: "do", wireName: "Do", path: "pickers.v1.Work/do", kind: "unary", idempotent: true,
  criticality: "default", timeoutMs: undefined, routeKey: undefined, ordinal: 0,
};

export interface SendOptions {
  /** When it was to be sent, if it was kept back. Default now. */
  readonly dueMs?: number;
  /** Hears that it is over, after what it told has been taken in. */
  readonly answered?: (seen: Seen) => void;
}

/** A call from its picking to its end. */
export class Call implements Happening {
  readonly workMs: number;
  readonly #traffic: Traffic;
  readonly #seen: Seen;
  readonly #startedMs: number;
  /** When it was to be sent: from then on its time counts. */
  readonly #dueMs: number;
  readonly #answered: ((seen: Seen) => void) | undefined;
  readonly #counts: boolean;
  #state: "leaving" | "there" | "returning" | "over" = "leaving";
  #report: LoadReport | undefined = undefined;
  arrivedMs = 0;
  /** For the server's use. */
  dueAt = 0;
  position = -1;

  constructor(traffic: Traffic, seen: Seen, workMs: number, counts: boolean, more: SendOptions) {
    this.#traffic = traffic;
    this.#seen = seen;
    this.#startedMs = traffic.agenda.nowMs;
    this.#dueMs = more.dueMs ?? this.#startedMs;
    this.#answered = more.answered;
    this.#counts = counts;
    this.workMs = workMs;
  }

  /** Where it is on its way. */
  happen(): void {
    if (this.#state === "leaving") {
      this.#state = "there";
      this.arrivedMs = this.#traffic.agenda.nowMs;
      this.#seen.server.begin(this);
    } else if (this.#state === "returning") {
      this.#end(false);
    }
  }

  /** The server has done it. */
  done(): void {
    const { agenda, oneWayMs } = this.#traffic;
    this.#state = "returning";
    this.#report = this.#seen.dueReport();
    agenda.add(agenda.nowMs + oneWayMs, this);
  }

  /** The deadline has come. The server hears of it at once, which is a one-way delay too soon. */
  expire(): void {
    if (this.#state === "over") return;
    if (this.#state === "there") this.#seen.server.cancel(this);
    this.#end(true);
  }

  #end(failed: boolean): void {
    this.#state = "over";
    const { load } = this.#seen;
    const { nowMs } = this.#traffic.agenda;
    if (this.#report !== undefined) this.#seen.told(this.#report);
    load.inFlight--;
    load.outstanding.end(this.#startedMs);
    recordAttempt(load, this.#startedMs, nowMs, failed);
    this.#answered?.(this.#seen);
    if (this.#counts) this.#traffic.ended(nowMs - this.#dueMs, failed);
  }
}

/** Picks one of `among` and sends it `workMs` of work. Answers whom. */
export function send(
  traffic: Traffic, picker: Picker, among: readonly Seen[], workMs: number, counts: boolean, more: SendOptions = {},
): Seen {
  const { agenda } = traffic;
  const seen = picker(among, new Context(method, agenda.nowMs, agenda.nowMs + traffic.deadlineMs)) as Seen;
  const { load } = seen;
  const call = new Call(traffic, seen, workMs, counts, more);
  load.inFlight++;
  load.sinceReport++;
  load.outstanding.begin(agenda.nowMs);
  agenda.add(agenda.nowMs + traffic.oneWayMs, call);
  if (traffic.deadlineMs < Infinity) {
    agenda.add(agenda.nowMs + traffic.deadlineMs, { happen: () => call.expire() });
  }
  return seen;
}
