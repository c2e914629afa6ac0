/** The World is what the parts of one simulation share: time, distance, chance, and the record of events. */
import type { ByteSink, ByteStream, Clock, Random } from "../../core/runtime.ts";
import { type Agenda, Happening } from "./agenda.ts";
import type { Digest } from "./digest.ts";
import type { Topology } from "./topology.ts";

export interface World {
  readonly agenda: Agenda;
  readonly topology: Topology;
  /** Chance of the network itself: jitter and loss. */
  readonly random: Random;
  readonly digest: Digest;
  readonly log: ((line: string) => void) | undefined;
  readonly settings: WorldSettings;
  readonly hosts: Map<string, Host>;
  /** Pipes whose next packet was lost to a cut or a machine that is gone. */
  readonly stalled: Set<{ recover(): void }>;
  /** Callbacks given to `defer` in the event at hand. */
  deferred: Deferred[];
  /** Whether the event at hand ran code from outside, whose promise jobs must be drained. */
  isTouched: boolean;
}

export interface WorldSettings {
  readonly startWallMs: number;
  readonly highWaterBytes: number;
  readonly windowBytes: number;
  readonly retransmitMs: number;
  readonly maxRetransmitMs: number;
}

export interface Deferred {
  readonly program: Program;
  readonly callback: () => void;
}

/** A machine. Its program may have died while it still answers ("down"), or it may be silent ("gone"). */
export interface Host {
  readonly name: string;
  readonly region: string;
  readonly zone: string;
  /** Position in order of creation: the host's name in the digest. */
  readonly index: number;
  state: "up" | "down" | "gone";
  program: Program;
  nextPort: number;
  readonly clock: HostClock;
}

/** A host's own time: it may run fast or slow, and its wall clock may be wrong. */
export interface HostClock {
  /** Local milliseconds that pass in one of the simulation. */
  rate: number;
  /** A time of the simulation, and what the host's clock showed then. */
  atMs: number;
  localMs: number;
  /** How far its wall clock is ahead. */
  wallOffsetMs: number;
}

/** What accepts the connections that reach a listener. */
export type Accept = (stream: ByteStream) => ByteSink;

/** Where the datagrams to one port go. */
export interface DatagramPort {
  /** `from` is the sender's address. */
  take(bytes: Uint8Array, from: string): void;
}

/** One life of a program on a host; see program.ts. */
export interface Program {
  readonly world: World;
  readonly host: Host;
  /** The first program of a host is 1, and every restart begins another. */
  readonly life: number;
  readonly clock: Clock;
  readonly isAlive: boolean;
  /** Stopped as by SIGSTOP: the kernel answers for it, nothing of it runs. */
  isSilent: boolean;
  /** Whether what comes due must queue up. */
  readonly isHolding: boolean;
  readonly streams: Set<{ abandon(isReset: boolean): void }>;
  readonly listeners: Map<string, Accept>;
  /** Sockets for datagrams by their port. */
  readonly sockets: Map<string, DatagramPort>;
  /** Runs code of this program now, or when it runs again, or never if it is dead. `of` spares it a closure. */
  admit<T>(happening: Happening | undefined, callback: (of: T) => void, of: T): void;
  admit(happening: Happening | undefined, callback: () => void): void;
  /** Ends its silence. */
  wake(): void;
  /** Its host's clock runs otherwise from now on: what is set rings when that clock shows its time. */
  retimed(): void;
  /** Ends it, telling the peers or not. */
  die(isReset: boolean): void;
}

/** Records an event in the digest, and in the log if there is one. */
export function record(world: World, what: RecordKind, host: Host, bytes?: Uint8Array, detail?: string): void {
  const { digest, log, agenda } = world;
  digest.foldNumber(agenda.nowMs);
  digest.foldWord(kindNumbers[what] * 65_536 + host.index);
  if (bytes !== undefined) digest.foldBytes(bytes);
  if (detail !== undefined) digest.foldText(detail);
  if (log !== undefined) {
    const size = bytes === undefined ? "" : ` ${bytes.length} bytes`;
    log(`${agenda.nowMs.toFixed(3)} ${host.name} ${what}${size}${detail === undefined ? "" : ` ${detail}`}`);
  }
}

const kindNumbers = {
  alarm: 1, opened: 2, received: 3, written: 4, drained: 5, closed: 6, accepted: 7, listening: 8,
  crash: 9, restart: 10, silence: 11, wake: 12, note: 13, step: 14, datagram: 15,
} as const;

export type RecordKind = keyof typeof kindNumbers;

/** A planned function that belongs to a program and dies with it. */
export class Call extends Happening {
  readonly program: Program;
  readonly #callback: () => void;

  constructor(program: Program, callback: () => void) {
    super();
    this.program = program;
    this.#callback = callback;
  }

  happen(): void {
    this.program.admit(this, this.#callback);
  }
}
