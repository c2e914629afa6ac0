// One TCP connection as Linux runs it for thin streams of small messages: what decides when a loss is noticed.
//
// RFC 6298: retransmission after 200 ms and a round trip, doubling. RFC 8985 (RACK-TLP): a segment is lost once one
// sent a quarter of a round trip later is acknowledged; a tail loss probe goes out two round trips after the last
// segment, but with only one in flight it allows for a delayed acknowledgement of 200 ms, as late as retransmission.
// RFC 5681 and 9438: each recovery shrinks the window to 0.7 of it, at least 2 segments; a timeout to 1. What does not
// fit waits, and then goes as one segment. What arrives behind a hole waits for the hole.

export interface Message {
  readonly kind: "request" | "answer" | "ping" | "pong";
  /** When the ping, or that which it answers, was sent. */
  readonly sentMs: number;
}

interface Segment {
  readonly number: number;
  readonly messages: readonly Message[];
  sentMs: number;
  isSacked: boolean;
  isLost: boolean;
}

export interface Packet {
  /** -1: an acknowledgement alone. */
  readonly number: number;
  readonly messages: readonly Message[];
  /** The first number that has not arrived, and those after it that have. */
  readonly acked: number;
  readonly sacked: readonly number[];
}

/** What an end has around it. */
export interface Wire {
  nowMs(): number;
  /** Sends it to the other end, unless it is lost. */
  transmit(from: TcpEnd, packet: Packet): void;
  /** Calls `end.timer()` then; earlier alarms stand. */
  wakeAt(end: TcpEnd, atMs: number): void;
  /** Calls `end.acknowledge()` then. */
  acknowledgeAt(end: TcpEnd, atMs: number): void;
  /** Arrived in order. */
  deliver(end: TcpEnd, messages: readonly Message[]): void;
}

const minRetransmitMs = 200;
const probeSlackMs = 2;
const delayedAckMs = 40;
const nothing: readonly never[] = [];

export class TcpEnd {
  readonly #wire: Wire;
  // What we send.
  #next = 0;
  #flight: Segment[] = [];
  #unsent: Message[] = [];
  #window = 10;
  #threshold = Infinity;
  /** Losses up to this number belong to the recovery under way. */
  #recoverTo = -1;
  #timedOut = false;
  #hasProbed = false;
  #backoff = 0;
  #roundTripMs = 1;
  /** Send time of the latest segment known to have arrived. */
  #rackMs = -Infinity;
  #timerMs = Infinity;
  #timerIsProbe = false;
  // What we receive.
  #expected = 0;
  readonly #early = new Map<number, readonly Message[]>();
  #owesAck = false;

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  /** A connection in which nothing is under way. */
  reset(window: number): void {
    this.#next = this.#expected = this.#backoff = 0;
    this.#flight = [];
    this.#unsent = [];
    this.#window = window;
    this.#threshold = window;
    this.#recoverTo = -1;
    this.#timedOut = this.#hasProbed = this.#owesAck = false;
    this.#rackMs = -Infinity;
    this.#timerMs = Infinity;
    this.#early.clear();
  }

  get isQuiet(): boolean {
    return this.#flight.length === 0 && this.#unsent.length === 0 && this.#early.size === 0;
  }

  send(messages: readonly Message[]): void {
    this.#unsent.push(...messages);
    if (this.#pump()) this.#arm(true);
  }

  receive(packet: Packet): void {
    this.#acked(packet);
    if (packet.number < 0) return;
    const { number } = packet;
    if (number < this.#expected || this.#early.has(number)) return this.acknowledge(true);
    if (number > this.#expected) {
      this.#early.set(number, packet.messages);
      return this.acknowledge(true);
    }
    const filled = this.#early.size > 0;
    this.#expected++;
    let messages = packet.messages;
    for (let more = this.#early.get(this.#expected); more !== undefined; more = this.#early.get(this.#expected)) {
      this.#early.delete(this.#expected++);
      messages = [...messages, ...more];
    }
    this.#owesAck = true;
    this.#wire.deliver(this, messages);
    if (!this.#owesAck) return;
    if (filled) this.acknowledge(true);
    else this.#wire.acknowledgeAt(this, this.#wire.nowMs() + delayedAckMs);
  }

  acknowledge(isForced = false): void {
    if (this.#owesAck || isForced) this.#transmit(-1, nothing);
  }

  timer(): void {
    const nowMs = this.#wire.nowMs();
    if (nowMs < this.#timerMs || this.#flight.length === 0) return;
    this.#timerMs = Infinity;
    if (this.#timerIsProbe) this.#probe(nowMs);
    else this.#timeOut();
  }

  #transmit(number: number, messages: readonly Message[]): void {
    this.#owesAck = false;
    const sacked = this.#early.size === 0 ? nothing : [...this.#early.keys()];
    this.#wire.transmit(this, { number, messages, acked: this.#expected, sacked });
  }

  #retransmit(segment: Segment): void {
    segment.isLost = false;
    segment.sentMs = this.#wire.nowMs();
    this.#transmit(segment.number, segment.messages);
  }

  #sendNew(): void {
    const segment: Segment = {
      number: this.#next++, messages: this.#unsent, sentMs: this.#wire.nowMs(), isSacked: false, isLost: false,
    };
    this.#unsent = [];
    this.#flight.push(segment);
    this.#transmit(segment.number, segment.messages);
  }

  get #inFlight(): number {
    let count = 0;
    for (const one of this.#flight) if (!one.isSacked && !one.isLost) count++;
    return count;
  }

  /** Sends what was lost, and then what is new, as the window allows. */
  #pump(): boolean {
    for (const one of this.#flight) if (one.isLost && this.#inFlight < this.#window) this.#retransmit(one);
    if (this.#unsent.length === 0 || this.#inFlight >= this.#window) return false;
    this.#sendNew();
    return true;
  }

  #acked({ acked, sacked }: Packet): void {
    const flight = this.#flight;
    if (flight.length === 0) return;
    const nowMs = this.#wire.nowMs();
    let hasAdvanced = false;
    let isNews = false;
    while (flight.length > 0 && (flight[0] as Segment).number < acked) {
      const one = flight.shift() as Segment;
      hasAdvanced = true;
      if (!one.isSacked) isNews = true;
      this.#rackMs = Math.max(this.#rackMs, one.sentMs);
    }
    for (const one of flight) {
      if (one.isSacked || !sacked.includes(one.number)) continue;
      one.isSacked = isNews = true;
      one.isLost = false;
      this.#rackMs = Math.max(this.#rackMs, one.sentMs);
    }
    if (!isNews && !hasAdvanced) return;
    if (hasAdvanced) this.#advanced(acked);
    this.#detect(nowMs);
    this.#pump();
    this.#arm(false);
  }

  #advanced(acked: number): void {
    this.#backoff = 0;
    this.#hasProbed = false;
    if (this.#window < this.#threshold) this.#window++;
    if (acked <= this.#recoverTo) return;
    this.#recoverTo = -1;
    this.#timedOut = false;
  }

  /** RACK: older than what has arrived, and a quarter of a round trip for those that overtook. */
  #detect(nowMs: number): void {
    let lookAgainMs = Infinity;
    for (const one of this.#flight) {
      if (one.isSacked || one.isLost || one.sentMs >= this.#rackMs) continue;
      const lostAtMs = one.sentMs + 1.25 * this.#roundTripMs;
      if (nowMs < lostAtMs) {
        lookAgainMs = Math.min(lookAgainMs, lostAtMs);
        continue;
      }
      one.isLost = true;
      if (this.#recoverTo >= 0) continue;
      this.#recoverTo = this.#next;
      this.#threshold = this.#window = Math.max(2, Math.floor(0.7 * this.#window));
    }
    if (lookAgainMs < Infinity) this.#wire.wakeAt(this, lookAgainMs);
  }

  #probe(nowMs: number): void {
    this.#hasProbed = true;
    // New data probes as well as old, and may leave whatever the window.
    if (this.#unsent.length > 0) this.#sendNew();
    else this.#retransmit(this.#flight.findLast((one) => !one.isSacked) ?? (this.#flight[0] as Segment));
    this.#timerIsProbe = false;
    this.#set(Math.max(nowMs + probeSlackMs, this.#retransmitAtMs));
  }

  get #retransmitAtMs(): number {
    const oldest = (this.#flight[0] as Segment).sentMs;
    return oldest + (minRetransmitMs + this.#roundTripMs) * 2 ** this.#backoff;
  }

  #timeOut(): void {
    for (const one of this.#flight) one.isLost = !one.isSacked;
    if (!this.#timedOut) this.#threshold = Math.max(2, Math.floor(0.7 * this.#window));
    this.#timedOut = true;
    this.#window = 1;
    this.#backoff = Math.min(this.#backoff + 1, 10);
    this.#recoverTo = this.#next;
    this.#retransmit(this.#flight[0] as Segment);
    this.#timerIsProbe = false;
    this.#set(this.#retransmitAtMs);
  }

  #arm(isNew: boolean): void {
    const flight = this.#flight;
    if (flight.length === 0) {
      this.#timerMs = Infinity;
      return;
    }
    const nowMs = this.#wire.nowMs();
    const retransmitAtMs = Math.max(nowMs + 1, this.#retransmitAtMs);
    const maySend = this.#recoverTo < 0 && !this.#hasProbed && flight.every(({ isSacked }) => !isSacked);
    if (!maySend) {
      // New data does not put off what is awaited already.
      if (isNew && this.#timerMs < Infinity) return;
      this.#timerIsProbe = false;
      this.#set(retransmitAtMs);
      return;
    }
    const slackMs = flight.length === 1 ? minRetransmitMs : probeSlackMs;
    this.#timerIsProbe = true;
    this.#set(Math.min(nowMs + 2 * this.#roundTripMs + slackMs, retransmitAtMs));
  }

  #set(atMs: number): void {
    this.#timerMs = atMs;
    this.#wire.wakeAt(this, atMs);
  }
}
