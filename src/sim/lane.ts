/**
 * A Lane carries the messages of one modelled connection in one direction: late, in order, losing none.
 *
 * It is to messages what the simulated network's pipe is to bytes: a lost transmission arrives a retransmission later
 * and holds up what was sent after it; while the way is cut nothing arrives, and after it heals the first message
 * arrives at the next of the retransmissions, whose distance doubles. A message is one event and one object.
 */
import { Happening } from "../runtime/sim/agenda.ts";
import type { Link } from "../runtime/sim/topology.ts";
import type { Host, World } from "../runtime/sim/world.ts";

/** Losses in a row after which a transmission gets through: the model must end. */
const maxLosses = 10;

/** Something on its way along a lane. */
export abstract class Message extends Happening {
  lane!: Lane;
  abstract arrive(): void;

  happen(): void {
    this.lane.take(this);
  }
}

export class Lane extends Happening {
  readonly from: Host;
  readonly to: Host;
  readonly #world: World;
  #lastDueMs = 0;
  #link: Link | undefined = undefined;
  #isCut = false;
  #version = -1;
  /** What has come to a way that is cut, in order; undefined while it is free. */
  #held: Message[] | undefined = undefined;
  #stalledSinceMs = 0;
  /** Whether it is known when the first of what is held gets through. */
  #isReleasing = false;

  constructor(world: World, from: Host, to: Host) {
    super();
    this.#world = world;
    this.from = from;
    this.to = to;
  }

  /** `retransmitMs` is the first distance of two transmissions. */
  send(message: Message, bytes: number, retransmitMs = this.#world.settings.retransmitMs): void {
    // A machine that is gone sends nothing.
    if (this.from.state === "gone") return;
    message.lane = this;
    const { agenda, random } = this.#world;
    const link = this.#current();
    let dueMs = agenda.nowMs;
    if (link.bytesPerMs !== Infinity) {
      dueMs = Math.max(dueMs, link.busyUntilMs) + bytes / link.bytesPerMs;
      link.busyUntilMs = dueMs;
    }
    dueMs += link.latencyMs;
    if (link.jitterMs > 0) dueMs += Math.min(-Math.log(1 - random.next()), 10) * link.jitterMs;
    if (link.lossRate > 0) dueMs += this.#lossDelayMs(link, retransmitMs);
    if (dueMs < this.#lastDueMs) dueMs = this.#lastDueMs;
    else this.#lastDueMs = dueMs;
    agenda.plan(message, dueMs);
  }

  #lossDelayMs(link: Link, retransmitMs: number): number {
    const { random, settings } = this.#world;
    let delayMs = 0;
    let waitMs = retransmitMs;
    for (let losses = 0; losses < maxLosses && random.next() < link.lossRate; losses++) {
      delayMs += waitMs;
      waitMs = Math.min(waitMs * 2, settings.maxRetransmitMs);
    }
    return delayMs;
  }

  /** A message is there, unless the way to it is cut. */
  take(message: Message): void {
    if (this.#held !== undefined) {
      this.#held.push(message);
      return;
    }
    if (this.#isBlocked()) {
      this.#held = [message];
      this.#stall();
      return;
    }
    message.arrive();
  }

  #stall(): void {
    this.#stalledSinceMs = this.#world.agenda.nowMs;
    this.#isReleasing = false;
    this.#world.stalled.add(this);
  }

  /** The way may be free again: what is held arrives with the next retransmission. */
  recover(): void {
    if (this.#held === undefined || this.#isReleasing || this.#isBlocked() || this.from.state === "gone") return;
    const { agenda, settings, stalled } = this.#world;
    stalled.delete(this);
    this.#isReleasing = true;
    let waitMs = settings.retransmitMs;
    let sentMs = this.#stalledSinceMs;
    while (sentMs < agenda.nowMs) {
      sentMs += waitMs;
      waitMs = Math.min(waitMs * 2, settings.maxRetransmitMs);
    }
    agenda.plan(this, sentMs + this.#current().latencyMs);
  }

  /** Lets the first of what is held arrive; one an event, so that promise jobs run in between. */
  happen(): void {
    if (this.#isBlocked()) {
      this.#stall();
      return;
    }
    const held = this.#held as Message[];
    const message = held.shift() as Message;
    if (held.length === 0) this.#held = undefined;
    else this.#world.agenda.plan(this, this.#world.agenda.nowMs);
    message.arrive();
  }

  /** Nothing more comes of it: a connection is over. */
  close(): void {
    this.#world.stalled.delete(this);
  }

  #current(): Link {
    const { topology } = this.#world;
    if (this.#version !== topology.version) {
      this.#link = topology.link(this.from, this.to);
      this.#isCut = topology.isCut(this.from, this.to);
      this.#version = topology.version;
    }
    return this.#link as Link;
  }

  #isBlocked(): boolean {
    this.#current();
    return this.#isCut || this.to.state === "gone";
  }
}
