// Ours: each node calls 4 peers ten times a second over one connection each, and a Heart watches each connection.
//
// The Heart (src/client/heart.ts), its heartbeats and the loop guard are production code. Modelled are the calls
// (Poisson, answered at once), TCP (tcp.ts), the network and the faults. Connections
// share nothing but their nodes' faults, so each is played by itself. As long as nothing is lost and nobody stalls or
// crashes a round trip changes nothing but the last sign of life, so the play jumps to the next that does: calls until
// a loss are geometric, the time they take is their sum's. A loss that at most one more follows within
// `lossWindow` packets cannot make a silence of 300 ms; one in 32 of those is played nonetheless, and must not.
import type { Alarm, Clock, Connection } from "../../src/core/index.ts";
import { createLoad } from "../../src/core/load.ts";
import { Heart, type HeartOptions } from "../../src/client/heart.ts";
import { type LoopGuard, loopGuard } from "../../src/health/index.ts";
import { Agenda, type Happening } from "./agenda.ts";
import { Chance } from "./chance.ts";
import type { Fault, Faults } from "./faults.ts";
import { Losses } from "./losses.ts";
import type { Tally } from "./tally.ts";
import { type Message, type Packet, TcpEnd, type Wire } from "./tcp.ts";

export interface OursOptions {
  readonly seed: number;
  readonly loss: number;
  readonly heart?: HeartOptions;
  /** Peers that each node calls. Default 4. */
  readonly peers?: number;
  /**
   * The congestion window, in segments, with which what is played begins. Lasting loss keeps a thin stream's at 2;
   * one without loss has the initial 10. Default by the loss.
   */
  readonly window?: number;
  /** Default 20. */
  readonly lossWindow?: number;
}

/** What only a policy with reversible suspicion has. */
export interface OursTally {
  /** Connections to healthy nodes that were ended: the second verdict, 3 s after the suspicion. */
  endedWrongly: number;
  /** How long suspicions of nodes that paused for 0.3 to 1 s lasted. */
  readonly brieflyMs: number[];
  /** And those of healthy nodes. */
  readonly wronglyMs: number[];
  /** Losses that were held to be harmless, and harmed. Must stay 0. */
  misjudged: number;
  plays: number;
  events: number;
}

const callsEveryMs = 100;
const packetsPerCall = 3;
const warmUpMs = 600;
const sampleOneIn = 32;
/** A ping or pong in a segment, with IPv4, TCP and its timestamps. */
const pingBytes = 52 + 17;

export function runOurs(faults: Faults, tally: Tally, options: OursOptions): OursTally {
  const found: OursTally = { endedWrongly: 0, brieflyMs: [], wronglyMs: [], misjudged: 0, plays: 0, events: 0 };
  const { peers = 4 } = options;
  for (let k = 0; k < peers; k++) {
    for (let node = 0; node < faults.nodes; node++) {
      // Everybody is called by as many as it calls; neighbours of one are none of another.
      const target = (node + 1 + k * (k + 1) / 2 * 7) % faults.nodes;
      new Play(faults, tally, found, node, target, options).run();
    }
  }
  return found;
}

type EventKind = "lone" | "call" | "alarm" | "packet" | "tcp" | "acknowledge" | "begin" | "end";

interface PlayEvent extends Happening {
  readonly kind: EventKind;
  readonly end: TcpEnd | undefined;
  readonly packet: Packet | undefined;
  readonly alarm: Alarm | undefined;
  readonly fault: Fault | undefined;
}

/** What a process is prevented from while it is stalled. */
class Side {
  readonly node: number;
  readonly end: TcpEnd;
  stall: Fault | undefined = undefined;
  isHeld = false;
  isDown = false;
  readonly alarms: Alarm[] = [];
  readonly unread: Message[] = [];
  readonly unwritten: Message[] = [];

  constructor(node: number, wire: Wire) {
    this.node = node;
    this.end = new TcpEnd(wire);
  }

  reset(window: number): void {
    this.end.reset(window);
    this.stall = undefined;
    this.isHeld = this.isDown = false;
    this.alarms.length = this.unread.length = this.unwritten.length = 0;
  }

  /** Whether it must wait with this; the first thing after the stall began is held in the middle instead. */
  waits(): boolean {
    if (this.stall === undefined) return false;
    if (this.isHeld) return true;
    this.isHeld = true;
    return false;
  }

  write(message: Message): void {
    if (this.stall === undefined) this.end.send([message]);
    else this.unwritten.push(message);
  }
}

class Play {
  readonly #faults: Faults;
  readonly #tally: Tally;
  readonly #found: OursTally;
  readonly #chance: Chance;
  readonly #losses: Losses;
  readonly #window: number;
  readonly #lossWindow: number;
  readonly #agenda = new Agenda<PlayEvent>();
  readonly #client: Side;
  readonly #server: Side;
  readonly #load = createLoad();
  readonly #heart: Heart;
  readonly #clock: Clock;
  readonly #connection: Connection;
  #guard: LoopGuard | undefined = undefined;
  #nowMs = 0;
  #lastReceivedMs = 0;
  /** Before it nothing is lost: the call that brought the play to where it begins. */
  #losslessUntilMs = 0;
  #suspectSinceMs: number | undefined = undefined;
  /** The play goes on at least so long. */
  #leastMs = 0;
  #isEnded = false;
  #isSample = false;

  constructor(
    faults: Faults, tally: Tally, found: OursTally, node: number, target: number, options: OursOptions,
  ) {
    const { seed, loss, heart = {}, window = loss === 0 ? 10 : 2, lossWindow = 20 } = options;
    this.#faults = faults;
    this.#tally = tally;
    this.#found = found;
    this.#window = window;
    this.#lossWindow = lossWindow;
    this.#chance = new Chance(`ours ${seed} ${node} ${target}`, 0);
    this.#losses = new Losses(this.#chance, loss);
    const wire = this.#wire();
    this.#client = new Side(node, wire);
    this.#server = new Side(target, wire);
    this.#clock = this.#makeClock();
    this.#connection = this.#makeConnection();
    const guard: LoopGuard = {
      lagMs: () => this.#guard?.lagMs() ?? 0,
      stalledRecently: (windowMs) => this.#guard?.stalledRecently(windowMs) ?? false,
      close: () => undefined,
    };
    this.#heart = new Heart(this.#clock, guard, heart, this.#load, {
      waiting: 0,
      suspected: () => this.#suspected(),
      recovered: () => this.#recovered(),
      dead: () => this.#dead(),
    });
  }

  run(): void {
    const { lengthMs, byNode } = this.#faults;
    const both = [...byNode[this.#client.node] as Fault[], ...byNode[this.#server.node] as Fault[]];
    const onsets = both.map(({ fromMs }) => fromMs).sort((a, b) => a - b);
    let nowMs = 0;
    let next = 0;
    while (nowMs < lengthMs) {
      while (next < onsets.length && (onsets[next] as number) < nowMs) next++;
      const untilMs = Math.min(lengthMs, (onsets[next] ?? Infinity) - warmUpMs);
      const lossMs = this.#nextTrouble(nowMs, untilMs);
      if (lossMs < untilMs) nowMs = this.#play(nowMs, lossMs, lossMs);
      else if (untilMs >= lengthMs) return;
      else nowMs = this.#play(nowMs, Math.max(nowMs, untilMs), (onsets[next] as number) + 1);
    }
  }

  /** When the call begins of which a packet is lost so that it may matter; later than `untilMs` if none does before. */
  #nextTrouble(fromMs: number, untilMs: number): number {
    const losses = this.#losses;
    let nowMs = fromMs;
    for (;;) {
      const calls = Math.floor(losses.until / packetsPerCall);
      if (calls === Infinity) return Infinity;
      nowMs += this.#chance.gamma(calls + 1, callsEveryMs);
      if (nowMs >= untilMs) {
        losses.renew();
        return nowMs;
      }
      this.#isSample = losses.untilThird > this.#lossWindow;
      if (this.#isSample && this.#chance.index(sampleOneIn) > 0) {
        losses.skip();
        continue;
      }
      losses.pass(calls * packetsPerCall);
      return nowMs;
    }
  }

  /** Plays from the call at `callMs`, and one before it, until all is quiet after `leastMs`; returns when that is. */
  #play(fromMs: number, callMs: number, leastMs: number): number {
    const [client, server, agenda, faults] = [this.#client, this.#server, this.#agenda, this.#faults];
    const beforeMs = Math.min(callsEveryMs * 4, this.#chance.exponential(callsEveryMs)) + 5;
    const startMs = Math.max(fromMs, callMs - beforeMs);
    agenda.clear();
    this.#nowMs = startMs;
    this.#losslessUntilMs = callMs;
    this.#isEnded = false;
    this.#suspectSinceMs = undefined;
    this.#found.plays++;
    this.#lastReceivedMs = startMs;
    this.#load.inFlight = 0;
    client.reset(this.#window);
    server.reset(this.#window);
    for (const side of [client, server]) {
      const running = faults.faultAt(side.node, startMs);
      // A new connection to who is down or stalled still: it opens when that is over.
      if (running !== undefined) return running.untilMs + 1;
      for (const fault of faults.byNode[side.node] as Fault[]) {
        if (fault.fromMs >= startMs && fault.fromMs < startMs + 300_000) this.#at("begin", fault.fromMs, { fault });
      }
    }
    this.#leastMs = leastMs;
    if (leastMs > callMs) this.#isSample = false;
    this.#guard = leastMs > callMs ? loopGuard({ clock: this.#clock }) : undefined;
    this.#heart.start(this.#connection);
    this.#at("lone", startMs + 4);
    this.#at("call", Math.max(callMs, startMs + 5));
    for (;;) {
      const event = agenda.take();
      if (event === undefined) break;
      this.#nowMs = Math.max(this.#nowMs, event.atMs);
      this.#found.events++;
      this.#happen(event);
      if (this.#isEnded) break;
      if (this.#nowMs > this.#leastMs + 2 && this.#isQuiet()) break;
    }
    this.#heart.stop();
    this.#guard?.close();
    return this.#nowMs + 0.001;
  }

  #isQuiet(): boolean {
    const [client, server] = [this.#client, this.#server];
    return this.#suspectSinceMs === undefined && this.#load.inFlight === 0 && client.end.isQuiet && server.end.isQuiet
      && client.stall === undefined && server.stall === undefined && !server.isDown
      && this.#heart.quietMs(this.#nowMs) === 0;
  }

  #at(kind: EventKind, atMs: number, fields: Partial<PlayEvent> = {}): void {
    this.#agenda.add({
      kind, atMs, order: 0, end: undefined, packet: undefined, alarm: undefined, fault: undefined, ...fields,
    });
  }

  #happen(event: PlayEvent): void {
    const client = this.#client;
    switch (event.kind) {
      case "packet":
        if (!this.#sideOf(event.end as TcpEnd).isDown) (event.end as TcpEnd).receive(event.packet as Packet);
        return;
      case "tcp":
        if (!this.#sideOf(event.end as TcpEnd).isDown) (event.end as TcpEnd).timer();
        return;
      case "acknowledge":
        if (!this.#sideOf(event.end as TcpEnd).isDown) (event.end as TcpEnd).acknowledge();
        return;
      case "call":
      case "lone":
        if (event.kind === "call") this.#at("call", this.#nowMs + this.#chance.exponential(callsEveryMs));
        // Whoever is stalled makes no calls, and whoever is suspect gets none.
        if (this.#suspectSinceMs === undefined && !client.waits()) this.#call();
        return;
      case "alarm": {
        const alarm = event.alarm as Alarm;
        if (!alarm.isSet || alarm.ringsAtMs > this.#nowMs) return;
        if (client.waits()) client.alarms.push(alarm);
        else this.#ring(alarm);
        return;
      }
      case "begin":
        return this.#begin(event.fault as Fault);
      case "end":
        return this.#over(event.fault as Fault);
    }
  }

  #call(): void {
    if (this.#load.inFlight === 0) this.#heart.quicken(this.#nowMs);
    this.#load.inFlight++;
    this.#client.write({ kind: "request", sentMs: this.#nowMs });
  }

  #ring(alarm: Alarm): void {
    if (!alarm.isSet || alarm.ringsAtMs > this.#nowMs) return;
    alarm.isSet = false;
    alarm.ring();
  }

  #read(side: Side, messages: readonly Message[]): void {
    for (const message of messages) {
      if (side === this.#client) this.#lastReceivedMs = this.#nowMs;
      switch (message.kind) {
        case "request":
          side.write({ kind: "answer", sentMs: message.sentMs });
          break;
        case "ping":
          this.#tally.sent(pingBytes, this.#isSample ? sampleOneIn : 1);
          side.write({ kind: "pong", sentMs: message.sentMs });
          break;
        case "answer":
          if (this.#load.inFlight > 0) this.#load.inFlight--;
          break;
        case "pong":
          this.#heart.answered(this.#nowMs - message.sentMs);
      }
    }
  }

  // Faults

  #begin(fault: Fault): void {
    const side = fault.node === this.#client.node ? this.#client : this.#server;
    if (fault.kind !== "crash") {
      side.stall = fault;
      side.isHeld = false;
    } else {
      side.isDown = true;
      // Nobody watches where the observer is gone.
      if (side === this.#client) this.#leaveUntil(fault.untilMs);
    }
    this.#at("end", fault.untilMs, { fault });
  }

  #over(fault: Fault): void {
    const side = fault.node === this.#client.node ? this.#client : this.#server;
    if (fault.kind === "crash") {
      // The new process knows nothing of the connection, which ends at the next packet.
      this.#isEnded = true;
      return;
    }
    side.stall = undefined;
    this.#leastMs = Math.max(this.#leastMs, this.#nowMs + 1_500);
    if (side.unwritten.length > 0) side.end.send(side.unwritten.splice(0));
    // Timers first, in the order in which they were due; then the socket.
    for (const alarm of side.alarms.splice(0).sort((a, b) => a.ringsAtMs - b.ringsAtMs)) this.#ring(alarm);
    this.#read(side, side.unread.splice(0));
  }

  #leaveUntil(atMs: number): void {
    this.#isEnded = true;
    this.#nowMs = Math.max(this.#nowMs, atMs);
  }

  // What the Heart finds

  #suspected(): void {
    const [observer, target] = [this.#client.node, this.#server.node];
    this.#suspectSinceMs = this.#nowMs;
    // Calls that bear a repeat are made elsewhere at once.
    this.#load.inFlight = 0;
    if (this.#isSample) this.#found.misjudged++;
    this.#tally.suspected(observer, target, this.#nowMs);
    this.#tally.declared(observer, target, this.#nowMs);
  }

  #recovered(): void {
    const sinceMs = this.#suspectSinceMs;
    this.#suspectSinceMs = undefined;
    if (sinceMs === undefined || !this.#faults.isHealthy(this.#client.node, sinceMs)) return;
    if (this.#faults.isHealthy(this.#server.node, sinceMs)) this.#found.wronglyMs.push(this.#nowMs - sinceMs);
    if (this.#faults.faultAt(this.#server.node, sinceMs)?.kind === "brief") {
      this.#found.brieflyMs.push(this.#nowMs - sinceMs);
    }
  }

  #dead(): void {
    if (this.#faults.isHealthy(this.#server.node, this.#nowMs)) this.#found.endedWrongly++;
    this.#leaveUntil(this.#server.stall?.untilMs ?? this.#nowMs);
  }

  // Around it

  #sideOf(end: TcpEnd): Side {
    return end === this.#client.end ? this.#client : this.#server;
  }

  #wire(): Wire {
    return {
      nowMs: () => this.#nowMs,
      transmit: (from, packet) => {
        if (this.#nowMs >= this.#losslessUntilMs && this.#losses.lost()) return;
        const to = from === this.#client.end ? this.#server.end : this.#client.end;
        this.#at("packet", this.#nowMs + this.#chance.latencyMs(), { end: to, packet });
      },
      wakeAt: (end, atMs) => this.#at("tcp", atMs, { end }),
      acknowledgeAt: (end, atMs) => this.#at("acknowledge", atMs, { end }),
      deliver: (end, messages) => {
        const side = this.#sideOf(end);
        if (side.waits()) side.unread.push(...messages);
        else this.#read(side, messages);
      },
    };
  }

  #makeClock(): Clock {
    return {
      now: () => this.#nowMs,
      wallMs: () => this.#nowMs,
      set: (alarm, atMs) => {
        alarm.ringsAtMs = atMs;
        alarm.isSet = true;
        this.#at("alarm", Math.max(this.#nowMs, Math.ceil(atMs)), { alarm });
      },
      clear: (alarm) => {
        alarm.isSet = false;
      },
      after: () => {
        throw new Error("the Heart and the guard set alarms only");
      },
      defer: () => undefined,
    };
  }

  #makeConnection(): Connection {
    const [load, lastReceivedMs] = [this.#load, () => this.#lastReceivedMs];
    return {
      get inFlight() {
        return load.inFlight;
      },
      get lastReceivedMs() {
        return lastReceivedMs();
      },
      pingsSparingly: false,
      ping: () => {
        this.#tally.sent(pingBytes, this.#isSample ? sampleOneIn : 1);
        this.#client.write({ kind: "ping", sentMs: this.#nowMs });
        return true;
      },
      call: () => undefined,
      failRepeatable: () => undefined,
      abort: () => undefined,
      close: () => undefined,
    };
  }
}
