// What one node of SWIM knows, and the events and messages of the protocol.
import type { Happening } from "./agenda.ts";

export type Status = 0 | 1 | 2;
export const [alive, suspect, dead] = [0, 1, 2] as const;

export interface Update {
  readonly status: Status;
  readonly subject: number;
  readonly incarnation: number;
  readonly from: number;
}

export interface Suspicion {
  readonly sinceMs: number;
  readonly confirmed: Set<number>;
  dueAtMs: number;
}

export interface Broadcast {
  readonly update: Update;
  transmits: number;
}

/** `ping`: `via` is who forwards the answer, -1 for nobody. */
export type Kind =
  | "tick" | "gossipTick" | "pushPull" | "probeTimeout" | "probeEnd" | "nackTimeout" | "suspicionEnd"
  | "ping" | "ack" | "ask" | "nack" | "gossip" | "stall" | "wake" | "crash" | "restart";

export interface SwimEvent extends Happening {
  kind: Kind;
  node: number;
  from: number;
  /** Whom it is about. */
  about: number;
  sequence: number;
  /** Who asked first, if it goes by another. */
  origin: number;
  updates: readonly Update[] | undefined;
  suspicion: Suspicion | undefined;
  isTimer: boolean;
}

export interface Probe {
  readonly target: number;
  readonly atMs: number;
  readonly endMs: number;
  expectedNacks: number;
  nacks: number;
}

/** What one node knows. */
export class Node {
  readonly status: Uint8Array;
  readonly incarnations: Int32Array;
  readonly deadSinceMs: Float64Array;
  readonly suspicions: (Suspicion | undefined)[];
  readonly order: number[];
  orderAt = Infinity;
  incarnation = 0;
  /** Lifeguard's: 0 is well. */
  health = 0;
  probe: Probe | undefined = undefined;
  sequence = 0;
  readonly probes = new Map<number, Probe>();
  /** Pings sent for others that have not been answered. */
  readonly relayed = new Map<string, true>();
  queue: Broadcast[] = [];
  isGossiping = false;
  gossipPhaseMs = 0;
  isUp = true;
  /** While it lasts, and whether it has taken hold. */
  stalledUntilMs = 0;
  isHeld = false;
  waiting: SwimEvent[] = [];
  /** While it reads what came in a stall: whom that said to be dead. News of then may be refuted by news after it. */
  reading: Set<number> | undefined = undefined;
  /** When its next fault begins: until then shortcuts are exact. */
  nextFaultMs = Infinity;
  faultAt = 0;

  constructor(nodes: number) {
    this.status = new Uint8Array(nodes);
    this.incarnations = new Int32Array(nodes);
    this.deadSinceMs = new Float64Array(nodes);
    this.suspicions = Array.from({ length: nodes }, () => undefined);
    this.order = Array.from({ length: nodes }, (_, i) => i);
  }
}
