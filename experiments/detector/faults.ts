// What befalls the nodes, the same for every policy: starvation, brief stalls and crashes, drawn from the seed.
import { Chance } from "./chance.ts";

export type FaultKind = "stall" | "brief" | "crash";

/** In milliseconds; a node's do not overlap. */
export interface Fault {
  readonly node: number;
  readonly kind: FaultKind;
  readonly fromMs: number;
  readonly untilMs: number;
}

export interface FaultOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly lengthMs: number;
}

const stallMs = 20_000;
const crashMs = 60_000;
/** After a fault a node counts as healthy again only when what it was owed meanwhile has been settled. */
const settleMs = { stall: 5_000, brief: 1_000, crash: 5_000 };

interface Span {
  readonly fromMs: number;
  untilMs: number;
}

export class Faults {
  readonly nodes: number;
  readonly lengthMs: number;
  /** In the order of time. */
  readonly all: Fault[] = [];
  readonly byNode: Fault[][];
  readonly #unwell: Span[][];

  constructor({ seed, nodes, lengthMs }: FaultOptions) {
    this.nodes = nodes;
    this.lengthMs = lengthMs;
    this.byNode = Array.from({ length: nodes }, () => []);
    this.#unwell = Array.from({ length: nodes }, () => []);
    const chance = new Chance(`faults ${seed}`, 0);
    const every = (meanMs: number, befall: (atMs: number) => void): void => {
      const lastMs = lengthMs - 120_000;
      let atMs = 30_000 + chance.exponential(meanMs);
      for (; atMs < lastMs; atMs += chance.exponential(meanMs)) befall(atMs);
    };
    // 1 to 32 nodes starve together, each stalled for 20 s up to six times, with gaps of 10 ms to 10 s.
    every(120_000, (atMs) => {
      for (let left = 2 ** chance.index(6); left > 0; left--) this.#starve(chance, atMs + chance.next() * 2_000);
    });
    every(60_000, (atMs) => this.#befall(chance, "crash", atMs, crashMs));
    every(30_000, (atMs) => this.#befall(chance, "brief", atMs, 300 + 700 * chance.next()));
    const inTime = (a: Fault, b: Fault): number => a.fromMs - b.fromMs;
    this.all.sort(inTime);
    for (const [node, faults] of this.byNode.entries()) {
      faults.sort(inTime);
      this.#unwell[node]?.sort((a, b) => a.fromMs - b.fromMs);
    }
  }

  #starve(chance: Chance, fromMs: number): void {
    const node = chance.index(this.nodes);
    const spans: Fault[] = [];
    let atMs = fromMs;
    for (let left = 1 + chance.index(6); left > 0; left--) {
      spans.push({ node, kind: "stall", fromMs: atMs, untilMs: atMs + stallMs });
      atMs += stallMs + 10 * 1_000 ** chance.next();
    }
    const untilMs = (spans.at(-1) as Fault).untilMs;
    if (!this.#isFree(node, fromMs, untilMs)) return;
    this.#add(node, spans, { fromMs, untilMs: untilMs + settleMs.stall });
  }

  #befall(chance: Chance, kind: FaultKind, fromMs: number, lastsMs: number): void {
    const node = chance.index(this.nodes);
    const untilMs = fromMs + lastsMs;
    if (!this.#isFree(node, fromMs, untilMs)) return;
    this.#add(node, [{ node, kind, fromMs, untilMs }], { fromMs, untilMs: untilMs + settleMs[kind] });
  }

  #add(node: number, faults: readonly Fault[], span: Span): void {
    this.#unwell[node]?.push(span);
    this.byNode[node]?.push(...faults);
    this.all.push(...faults);
  }

  /** Nothing else within half a minute. */
  #isFree(node: number, fromMs: number, untilMs: number): boolean {
    const spans = this.#unwell[node] as Span[];
    return spans.every((span) => span.untilMs + 30_000 < fromMs || span.fromMs - 30_000 > untilMs);
  }

  /** Neither stalled nor crashed, nor in the gaps of a starvation, nor just out of any. */
  isHealthy(node: number, atMs: number): boolean {
    const spans = this.#unwell[node] as Span[];
    let low = 0;
    let high = spans.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((spans[middle] as Span).untilMs <= atMs) low = middle + 1;
      else high = middle;
    }
    return low === spans.length || (spans[low] as Span).fromMs > atMs;
  }

  /** The fault that has the node then, if any. */
  faultAt(node: number, atMs: number): Fault | undefined {
    const faults = this.byNode[node] as Fault[];
    let low = 0;
    let high = faults.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((faults[middle] as Fault).untilMs <= atMs) low = middle + 1;
      else high = middle;
    }
    const fault = faults[low];
    return fault !== undefined && fault.fromMs <= atMs ? fault : undefined;
  }
}
