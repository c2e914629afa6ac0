/**
 * A Pipe carries the packets of one connection in one direction: late, in order, and never losing any.
 *
 * What TCP makes of a bad network is modelled, not how: a lost transmission arrives one retransmission later
 * and holds up what was sent after it; while the way is cut nothing arrives, and after it heals the first
 * packet arrives at the next of the retransmissions, whose distance doubles.
 */
import { Happening } from "./agenda.ts";
import type { Link } from "./topology.ts";
import type { Host, World } from "./world.ts";

export type PacketKind = "syn" | "opened" | "refused" | "data" | "progress" | "fin" | "reset";

export interface Packet {
  readonly kind: PacketKind;
  /** When it arrives, in simulation milliseconds. */
  dueMs: number;
  /** Of "data". */
  readonly bytes: Uint8Array | undefined;
  /** Of "progress": how many more bytes the host took, and how many more its program read. */
  readonly taken: number;
  readonly read: number;
}

/** Losses in a row after which a transmission gets through: the model must end. */
const maxLosses = 10;
/** A connection request is repeated after a second rather than after the usual retransmission time. */
const synRetransmitMs = 1_000;

export class Pipe extends Happening {
  readonly from: Host;
  readonly to: Host;
  receive: (packet: Packet) => void = () => {};
  readonly #world: World;
  readonly #packets: Packet[] = [];
  #lastDueMs = 0;
  #link: Link | undefined = undefined;
  #linkVersion = -1;
  /** Since when nothing got through; undefined while packets flow. */
  #stalledSinceMs: number | undefined = undefined;

  constructor(world: World, from: Host, to: Host) {
    super();
    this.#world = world;
    this.from = from;
    this.to = to;
  }

  send(kind: PacketKind, bytes?: Uint8Array, taken = 0, read = 0): void {
    const dueMs = Math.max(this.#lastDueMs, this.#arrival(kind, bytes));
    this.#lastDueMs = dueMs;
    this.#packets.push({ kind, dueMs, bytes, taken, read });
    // What is under way already sees for itself, when it arrives, whether it can.
    if (this.#stalledSinceMs !== undefined || this.isPlanned) return;
    // A machine that is gone sends nothing either.
    if (this.#isCut() || this.from.state === "gone") this.#stall();
    else this.#world.agenda.plan(this, dueMs);
  }

  happen(): void {
    if (this.#isCut()) {
      this.#stall();
      return;
    }
    const packet = this.#packets.shift() as Packet;
    const next = this.#packets[0];
    if (next !== undefined) this.#world.agenda.plan(this, next.dueMs);
    this.receive(packet);
  }

  /** Goes on if the way is free again. */
  recover(): void {
    const sinceMs = this.#stalledSinceMs;
    if (sinceMs === undefined || this.#isCut() || this.from.state === "gone") return;
    this.#stalledSinceMs = undefined;
    this.#world.stalled.delete(this);
    const { agenda, settings } = this.#world;
    const first = this.#packets[0] as Packet;
    let waitMs = first.kind === "syn" ? synRetransmitMs : settings.retransmitMs;
    let sentMs = sinceMs;
    while (sentMs < agenda.nowMs) {
      sentMs += waitMs;
      waitMs = Math.min(waitMs * 2, settings.maxRetransmitMs);
    }
    const dueMs = sentMs + this.#currentLink().latencyMs;
    for (const packet of this.#packets) packet.dueMs = Math.max(packet.dueMs, dueMs);
    this.#lastDueMs = Math.max(this.#lastDueMs, dueMs);
    agenda.plan(this, first.dueMs);
  }

  #currentLink(): Link {
    const { topology } = this.#world;
    if (this.#link === undefined || this.#linkVersion !== topology.version) {
      this.#link = topology.link(this.from, this.to);
      this.#linkVersion = topology.version;
    }
    return this.#link;
  }

  #isCut(): boolean {
    return this.to.state === "gone" || this.#world.topology.isCut(this.from, this.to);
  }

  #stall(): void {
    this.#stalledSinceMs = this.#world.agenda.nowMs;
    this.#world.stalled.add(this);
  }

  #arrival(kind: PacketKind, bytes: Uint8Array | undefined): number {
    const { agenda, random } = this.#world;
    const link = this.#currentLink();
    let dueMs = agenda.nowMs;
    if (bytes !== undefined && link.bytesPerMs !== Infinity) {
      dueMs = Math.max(dueMs, link.busyUntilMs) + bytes.length / link.bytesPerMs;
      link.busyUntilMs = dueMs;
    }
    dueMs += link.latencyMs;
    if (link.jitterMs > 0) dueMs += Math.min(-Math.log(1 - random.next()), 10) * link.jitterMs;
    // Acknowledgements are cumulative: a later one makes up for a lost one.
    return link.lossRate > 0 && kind !== "progress" ? dueMs + this.#lossDelay(kind, link) : dueMs;
  }

  #lossDelay(kind: PacketKind, link: Link): number {
    const { random, settings } = this.#world;
    let delayMs = 0;
    let waitMs = kind === "syn" ? synRetransmitMs : settings.retransmitMs;
    for (let losses = 0; losses < maxLosses && random.next() < link.lossRate; losses++) {
      delayMs += waitMs;
      waitMs = Math.min(waitMs * 2, settings.maxRetransmitMs);
    }
    return delayMs;
  }
}
