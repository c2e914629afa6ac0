/**
 * Figures are load, faults, time and repeats of the last interval, by method and by the region that answered: kept in
 * cells of fixed size that are read and emptied at each tick, so that memory does not grow with time or traffic.
 */
import type { MethodInfo, Observer, RpcError } from "../core/index.ts";
import { speaksAgainstEndpoint } from "../client/index.ts";
import { createHistogram, type Histogram } from "../telemetry/index.ts";
import type { Figures } from "./contract.ts";

/** Most methods and regions with figures of their own, 1 KiB each; the rest share one cell. */
export const figureLimits = { maxMethods: 1_000, maxRegions: 64 } as const;
const maxOrdinal = 65_536;
/** What everything beyond a limit is called. */
export const otherName = "_OTHER";
/** A method that was not called for so long is not shown, in milliseconds. */
const shownForMs = 60_000;

/** What was counted under one name. */
class Cell {
  readonly name: string;
  readonly service: string;
  readonly latencies: Histogram = createHistogram({ precisionBits: 2 });
  /** Calls that failed by the server's or the way's fault. */
  errors = 0;
  attempts = 0;
  /** Whether it was touched since the last tick, and when it last was. */
  lastMs = -Infinity;
  figures: Figures = noFigures;

  constructor(name: string, service = "") {
    this.name = name;
    this.service = service;
  }

  count(latencyMs: number, error: RpcError | undefined): void {
    this.latencies.record(latencyMs);
    if (error !== undefined && speaksAgainstEndpoint(error)) this.errors++;
  }

  /** Works out the interval that ends now, and begins the next. */
  tick(intervalMs: number, nowMs: number): void {
    const { count } = this.latencies;
    if (count === 0 && this.attempts === 0) {
      this.figures = noFigures;
      return;
    }
    this.lastMs = nowMs;
    this.figures = figuresOf(this.latencies, this.errors, count === 0 ? 1 : Math.max(1, this.attempts / count),
      intervalMs);
    this.latencies.reset();
    this.errors = this.attempts = 0;
  }
}

/** Nothing happened. */
export const noFigures: Figures = Object.freeze({
  callsPerSecond: 0, errorsPerSecond: 0, attemptsPerCall: 1, inFlight: 0,
  latency: Object.freeze({ p50Ms: 0, p90Ms: 0, p99Ms: 0, maxMs: 0 }),
});

export function figuresOf(
  latencies: Histogram, errors: number, attemptsPerCall: number, intervalMs: number,
): Figures {
  const perSecond = intervalMs > 0 ? 1_000 / intervalMs : 0;
  return {
    callsPerSecond: latencies.count * perSecond, errorsPerSecond: errors * perSecond, attemptsPerCall, inFlight: 0,
    latency: {
      p50Ms: latencies.quantile(0.5), p90Ms: latencies.quantile(0.9), p99Ms: latencies.quantile(0.99),
      maxMs: latencies.max,
    },
  };
}

export interface MethodFigures {
  readonly method: string;
  readonly figures: Figures;
}

export interface ServiceTotals {
  readonly figures: Figures;
  readonly methods: readonly MethodFigures[];
}

/** What was seen in the last interval. */
export interface Seen {
  readonly intervalMs: number;
  readonly byService: ReadonlyMap<string, ServiceTotals>;
  /** Attempts by the region of their endpoint. */
  readonly byRegion: ReadonlyMap<string, Figures>;
  /** Calls that another gateway counts. */
  readonly relayed: Figures;
}

export interface FigureKeeper {
  readonly observer: Observer;
  /** Ends the interval; answers what was seen in it. */
  tick(nowMs: number): Seen;
  /** What the last tick answered. */
  readonly seen: Seen;
}

/**
 * Keeps figures. `serves`: of calls handled, in `region`, instead of calls made: of a server that makes none of its
 * own.
 */
export function createFigures(startedMs: number, serves: boolean, region = ""): FigureKeeper {
  const keeper = new Keeper(startedMs);
  return {
    observer: serves
      ? {
        handled(context, latencyMs, error) {
          keeper.method(context.method).attempts++;
          keeper.method(context.method).count(latencyMs, error);
          keeper.region(region).count(latencyMs, error);
        },
      }
      : {
        callEnded(context, latencyMs, error) {
          // A gateway's own contexts have passed one gateway, itself.
          if (context.hops > 1) keeper.relayed.count(latencyMs, error);
          else keeper.method(context.method).count(latencyMs, error);
        },
        attemptEnded(context, endpoint, latencyMs, error) {
          if (context.hops > 1) {
            keeper.relayed.attempts++;
            return;
          }
          keeper.method(context.method).attempts++;
          keeper.region(endpoint.region).count(latencyMs, error);
        },
      },
    tick: (nowMs) => keeper.tick(nowMs),
    get seen() {
      return keeper.seen;
    },
  };
}

class Keeper {
  readonly relayed = new Cell("relayed");
  readonly #methods: Cell[] = [new Cell(otherName, otherName)];
  /** Positions in the list by ordinal; 0 for the shared one, -1 before the first call. */
  readonly #positions: number[] = [];
  readonly #regions: Cell[] = [];
  #lastRegion: Cell | undefined = undefined;
  #sinceMs: number;
  seen: Seen;

  constructor(startedMs: number) {
    this.#sinceMs = startedMs;
    this.seen = { intervalMs: 0, byService: new Map(), byRegion: new Map(), relayed: noFigures };
  }

  method(method: MethodInfo): Cell {
    const position = this.#positions[method.ordinal];
    return this.#methods[position === undefined || position < 0 ? this.#place(method) : position] as Cell;
  }

  #place(method: MethodInfo): number {
    const { ordinal } = method;
    if (ordinal >= maxOrdinal) return 0;
    // The same method may have several ordinals (a gateway has one for each codec and protocol it is called by).
    let position = this.#methods.findIndex((cell) => cell.service === method.service && cell.name === method.name);
    if (position < 0) {
      position = 0;
      if (this.#methods.length <= figureLimits.maxMethods) {
        position = this.#methods.push(new Cell(method.name, method.service)) - 1;
      }
    }
    while (this.#positions.length <= ordinal) this.#positions.push(-1);
    return this.#positions[ordinal] = position;
  }

  region(name: string): Cell {
    // One region takes nearly all attempts for long.
    if (this.#lastRegion?.name === name) return this.#lastRegion;
    let cell = this.#regions.find((one) => one.name === name);
    if (cell === undefined) {
      const isFull = this.#regions.length >= figureLimits.maxRegions;
      if (isFull && name !== otherName) return this.region(otherName);
      this.#regions.push(cell = new Cell(name));
    }
    return this.#lastRegion = cell;
  }

  tick(nowMs: number): Seen {
    const intervalMs = nowMs - this.#sinceMs;
    // Of two ticks at once the second would divide by nothing.
    if (intervalMs <= 0) return this.seen;
    this.#sinceMs = nowMs;
    const byService = new Map<string, { figures: Figures; methods: MethodFigures[]; whole: Whole }>();
    for (const cell of this.#methods) {
      let entry = byService.get(cell.service);
      if (entry === undefined) {
        entry = { figures: noFigures, methods: [], whole: new Whole() };
        byService.set(cell.service, entry);
      }
      entry.whole.add(cell);
      cell.tick(intervalMs, nowMs);
      if (nowMs - cell.lastMs > shownForMs || entry.methods.length >= 200) continue;
      entry.methods.push({ method: cell.name, figures: cell.figures });
    }
    for (const [service, entry] of byService) {
      entry.figures = entry.whole.figures(intervalMs);
      if (entry.methods.length === 0) byService.delete(service);
    }
    const byRegion = new Map<string, Figures>();
    for (const cell of this.#regions) {
      cell.tick(intervalMs, nowMs);
      byRegion.set(cell.name, cell.figures);
    }
    this.relayed.tick(intervalMs, nowMs);
    return this.seen = { intervalMs, byService, byRegion, relayed: this.relayed.figures };
  }
}

/** The methods of a service together. */
class Whole {
  #latencies: Histogram | undefined = undefined;
  #errors = 0;
  #attempts = 0;
  #calls = 0;

  add({ latencies, errors, attempts }: Cell): void {
    this.#errors += errors;
    this.#attempts += attempts;
    this.#calls += latencies.count;
    if (latencies.count === 0) return;
    this.#latencies ??= createHistogram({ precisionBits: 2 });
    this.#latencies.merge(latencies);
  }

  figures(intervalMs: number): Figures {
    if (this.#latencies === undefined) return noFigures;
    return figuresOf(this.#latencies, this.#errors, Math.max(1, this.#attempts / this.#calls), intervalMs);
  }
}
