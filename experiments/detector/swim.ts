// SWIM (Das, Gupta, Motivala, DSN 2002) as HashiCorp's memberlist runs it, and Lifeguard (Dadgar, Phillips, Currey,
// arXiv 1707.00788), which is the same with local health, suspicion that shrinks with confirmations, and buddies.
//
// SWIM here is what the Lifeguard paper measures against: suspicion of 5 log10(n) periods, as long for everybody.
// Stalls: a starved process is preempted while it runs. The next thing it does when the stall begins is held in the
// middle: its deadlines count from then on, what it sends leaves when the stall ends. All else waits; on waking timers
// ring first, then the socket is read.
import { Agenda } from "./agenda.ts";
import { Chance } from "./chance.ts";
import type { Fault, Faults } from "./faults.ts";
import {
  alive, dead, type Kind, Node, suspect, type Suspicion, type SwimEvent, type Update,
} from "./swim-node.ts";
import type { Tally } from "./tally.ts";

export interface SwimOptions {
  readonly seed: number;
  readonly loss: number;
  /** Without it, SWIM. */
  readonly lifeguard: boolean;
}

const periodMs = 1_000;
const probeTimeoutMs = 500;
const indirectProbes = 3;
const suspicionMult = 5;
const maxSuspicionMult = 6;
const confirmationsWanted = 3;
const mostHealth = 7;
const gossipMs = 200;
const gossipNodes = 3;
const gossipToTheDeadMs = 30_000;
const mostUpdates = 25;
const pushPullMs = 30_000;
/** On the wire, with 28 for UDP over IPv4. */
const bytesOf = { ping: 68, ack: 44, ask: 78, nack: 40, gossip: 32, update: 48 };

/** Runs the protocol to the end of the faults. */
export function runSwim(faults: Faults, tally: Tally, options: SwimOptions): void {
  new Swim(faults, tally, options).run();
}

class Swim {
  readonly #faults: Faults;
  readonly #tally: Tally;
  readonly #chance: Chance;
  readonly #lifeguard: boolean;
  readonly #agenda = new Agenda<SwimEvent>();
  readonly #nodes: Node[];
  readonly #count: number;
  readonly #transmits: number;
  readonly #suspicionMs: number;
  #nowMs = 0;

  constructor(faults: Faults, tally: Tally, { seed, loss, lifeguard }: SwimOptions) {
    this.#faults = faults;
    this.#tally = tally;
    this.#lifeguard = lifeguard;
    this.#chance = new Chance(`swim ${seed}`, loss);
    this.#count = faults.nodes;
    this.#transmits = 4 * Math.ceil(Math.log10(faults.nodes + 1));
    this.#suspicionMs = suspicionMult * Math.max(1, Math.log10(faults.nodes)) * periodMs;
    this.#nodes = Array.from({ length: faults.nodes }, () => new Node(faults.nodes));
  }

  run(): void {
    for (const [i, node] of this.#nodes.entries()) {
      node.gossipPhaseMs = this.#chance.next() * gossipMs;
      node.nextFaultMs = this.#faults.byNode[i]?.[0]?.fromMs ?? Infinity;
      this.#timer("tick", i, this.#chance.next() * periodMs);
      this.#timer("pushPull", i, this.#chance.next() * pushPullMs);
    }
    for (const fault of this.#faults.all) {
      this.#timer(fault.kind === "crash" ? "crash" : "stall", fault.node, fault.fromMs);
      this.#timer(fault.kind === "crash" ? "restart" : "wake", fault.node, fault.untilMs);
    }
    const agenda = this.#agenda;
    while (agenda.nextAtMs < this.#faults.lengthMs) {
      const event = agenda.take() as SwimEvent;
      this.#nowMs = event.atMs;
      this.#dispatch(event);
    }
  }

  // Events and faults

  #dispatch(event: SwimEvent): void {
    const node = this.#nodes[event.node] as Node;
    switch (event.kind) {
      case "stall":
        node.isHeld = false;
        node.stalledUntilMs = this.#fault(node, event.node).untilMs;
        return;
      case "crash":
        this.#fault(node, event.node);
        node.isUp = false;
        return;
      case "wake":
        return this.#wake(node, event.node);
      case "restart":
        return this.#restart(node, event.node);
      default:
    }
    if (!node.isUp) return;
    if (this.#nowMs < node.stalledUntilMs) {
      if (node.isHeld) {
        node.waiting.push(event);
        return;
      }
      node.isHeld = true;
    }
    this.#handle(node, event);
  }

  /** The fault that begins, after which the next is awaited. */
  #fault(node: Node, index: number): Fault {
    const faults = this.#faults.byNode[index] as Fault[];
    const fault = faults[node.faultAt++] as Fault;
    node.nextFaultMs = faults[node.faultAt]?.fromMs ?? Infinity;
    return fault;
  }

  #wake(node: Node, index: number): void {
    node.stalledUntilMs = 0;
    const { waiting } = node;
    node.waiting = [];
    for (const event of waiting) if (event.isTimer) this.#handle(node, event);
    const reading = node.reading = new Set<number>();
    for (const event of waiting) if (!event.isTimer) this.#handle(node, event);
    node.reading = undefined;
    for (const subject of reading) if (node.status[subject] === dead) this.#tally.declared(index, subject, this.#nowMs);
  }

  /** It joins anew: a push/pull with somebody healthy, and a greater incarnation that is told. */
  #restart(node: Node, index: number): void {
    node.isUp = true;
    node.probes.clear();
    node.relayed.clear();
    node.probe = undefined;
    node.queue = [];
    node.isGossiping = false;
    node.health = 0;
    const known = this.#nodes.find((one, i) => one.isUp && one.stalledUntilMs === 0 && i !== index) as Node;
    node.incarnations.set(known.incarnations);
    node.incarnation++;
    node.incarnations[index] = node.incarnation;
    node.status.fill(alive);
    node.suspicions.fill(undefined);
    this.#broadcast(node, index, { status: alive, subject: index, incarnation: node.incarnation, from: index });
    this.#timer("tick", index, this.#nowMs + this.#chance.next() * periodMs);
    this.#timer("pushPull", index, this.#nowMs + pushPullMs);
  }

  #handle(node: Node, event: SwimEvent): void {
    if (event.updates !== undefined) for (const update of event.updates) this.#hear(node, event.node, update);
    switch (event.kind) {
      case "tick":
        return this.#tick(node, event);
      case "gossipTick":
        return this.#gossip(node, event.node);
      case "pushPull":
        return this.#pushPull(node, event);
      case "probeTimeout":
        return this.#askOthers(node, event);
      case "probeEnd":
        return this.#probeEnded(node, event);
      case "nackTimeout":
        if (node.relayed.delete(`${event.origin} ${event.sequence}`)) {
          this.#send("nack", event.node, event.origin, { sequence: event.sequence, bytes: bytesOf.nack });
        }
        return;
      case "suspicionEnd":
        return this.#suspicionEnded(node, event);
      case "ping":
        this.#send("ack", event.node, event.from, {
          sequence: event.sequence, about: event.node, origin: event.origin, bytes: bytesOf.ack,
        });
        return;
      case "ack":
        return this.#acked(node, event);
      case "ask":
        return this.#relay(node, event);
      case "nack": {
        const probe = node.probes.get(event.sequence);
        if (probe !== undefined) probe.nacks++;
        return;
      }
      default:
    }
  }

  #timer(kind: Kind, node: number, atMs: number, fields: Partial<SwimEvent> = {}): void {
    this.#agenda.add({
      atMs, order: 0, kind, node, from: -1, about: -1, sequence: 0, origin: -1, updates: undefined,
      suspicion: undefined, isTimer: true, ...fields,
    });
  }

  #send(
    kind: Kind, from: number, to: number,
    { sequence = 0, about = -1, origin = -1, bytes, first }: {
      sequence?: number; about?: number; origin?: number; bytes: number; first?: Update | undefined;
    },
  ): void {
    const sender = this.#nodes[from] as Node;
    const updates = this.#takeUpdates(sender, first);
    this.#tally.sent(bytes + bytesOf.update * (updates?.length ?? 0));
    if (this.#chance.lost()) return;
    const departsMs = Math.max(this.#nowMs, sender.stalledUntilMs);
    this.#agenda.add({
      atMs: departsMs + this.#chance.latencyMs(), order: 0, kind, node: to, from, about, sequence, origin, updates,
      suspicion: undefined, isTimer: false,
    });
  }

  // Probes

  #tick(node: Node, event: SwimEvent): void {
    const index = event.node;
    const target = this.#nextTarget(node, index);
    event.atMs = this.#nowMs + periodMs;
    if (target === undefined || this.#isPlain(node, index, target)) {
      this.#agenda.add(event);
      return;
    }
    const scale = this.#lifeguard ? node.health + 1 : 1;
    const endMs = this.#nowMs + periodMs * scale;
    const sequence = ++node.sequence;
    node.probes.set(sequence, { target, atMs: this.#nowMs, endMs, expectedNacks: 0, nacks: 0 });
    const isSuspect = node.status[target] === suspect;
    const first: Update | undefined = this.#lifeguard && isSuspect
      ? { status: suspect, subject: target, incarnation: node.incarnations[target] as number, from: index }
      : undefined;
    this.#send("ping", index, target, { sequence, bytes: bytesOf.ping, first });
    this.#timer("probeTimeout", index, this.#nowMs + probeTimeoutMs * scale, { sequence });
    this.#timer("probeEnd", index, endMs, { sequence });
  }

  /** A probe of which nothing can be told afterwards: both are well, nobody has news, and nothing is lost. */
  #isPlain(node: Node, index: number, target: number): boolean {
    const other = this.#nodes[target] as Node;
    if (node.queue.length > 0 || other.queue.length > 0 || node.status[target] !== alive) return false;
    const safeMs = this.#nowMs + 20;
    if (!other.isUp || other.stalledUntilMs > 0 || other.nextFaultMs < safeMs) return false;
    if (node.stalledUntilMs > 0 || node.nextFaultMs < safeMs || this.#chance.untilLoss < 2) return false;
    if ((other.status[index] as number) !== alive) return false;
    this.#chance.pass(2);
    this.#tally.sent(bytesOf.ping);
    this.#tally.sent(bytesOf.ack);
    if (node.health > 0) node.health--;
    return true;
  }

  /** Everybody once in each round, in an order that is shuffled anew. */
  #nextTarget(node: Node, index: number): number | undefined {
    for (let tried = 0; tried <= this.#count; tried++) {
      if (node.orderAt >= this.#count) {
        shuffle(node.order, this.#chance);
        node.orderAt = 0;
      }
      const target = node.order[node.orderAt++] as number;
      if (target !== index && node.status[target] !== dead) return target;
    }
    return undefined;
  }

  #askOthers(node: Node, { node: index, sequence }: SwimEvent): void {
    const probe = node.probes.get(sequence);
    if (probe === undefined) return;
    const helpers = this.#some(node, index, indirectProbes, probe.target);
    if (this.#lifeguard) probe.expectedNacks = helpers.length;
    const ask = { sequence, about: probe.target, bytes: bytesOf.ask };
    for (const helper of helpers) this.#send("ask", index, helper, ask);
  }

  #relay(node: Node, { node: index, from, about, sequence }: SwimEvent): void {
    if (this.#lifeguard) {
      node.relayed.set(`${from} ${sequence}`, true);
      this.#timer("nackTimeout", index, this.#nowMs + probeTimeoutMs * 0.8, { sequence, origin: from });
    }
    this.#send("ping", index, about, { sequence, origin: from, bytes: bytesOf.ping });
  }

  #acked(node: Node, { node: index, sequence, origin, about }: SwimEvent): void {
    if (origin >= 0 && origin !== index) {
      node.relayed.delete(`${origin} ${sequence}`);
      this.#send("ack", index, origin, { sequence, about, bytes: bytesOf.ack });
      return;
    }
    const probe = node.probes.get(sequence);
    if (probe === undefined) return;
    node.probes.delete(sequence);
    if (node.health > 0) node.health--;
    // The prober waits for one probe before it begins another; the ticker's beat stays.
    this.#timer("tick", index, Math.max(this.#nowMs, probe.atMs + periodMs));
  }

  #probeEnded(node: Node, { node: index, sequence }: SwimEvent): void {
    const probe = node.probes.get(sequence);
    if (probe === undefined) return;
    node.probes.delete(sequence);
    const missed = probe.expectedNacks > 0 ? Math.max(0, probe.expectedNacks - probe.nacks) : 1;
    node.health = Math.min(mostHealth, node.health + missed);
    const incarnation = node.incarnations[probe.target] as number;
    this.#hear(node, index, { status: suspect, subject: probe.target, incarnation, from: index });
    this.#timer("tick", index, this.#nowMs);
  }

  // What is known of others

  #hear(node: Node, index: number, update: Update): void {
    const { subject, incarnation } = update;
    const known = node.incarnations[subject] as number;
    if (update.status === alive) {
      if (subject === index || incarnation <= known) return;
      node.incarnations[subject] = incarnation;
      node.status[subject] = alive;
      node.suspicions[subject] = undefined;
      this.#broadcast(node, index, update);
      return;
    }
    if (incarnation < known) return;
    if (subject === index) return this.#refute(node, index, incarnation);
    if (update.status === suspect) return this.#suspect(node, index, update);
    if (node.status[subject] === dead) return;
    node.incarnations[subject] = incarnation;
    node.status[subject] = dead;
    node.deadSinceMs[subject] = this.#nowMs;
    node.suspicions[subject] = undefined;
    this.#broadcast(node, index, update);
    if (node.reading === undefined) this.#tally.declared(index, subject, this.#nowMs);
    else node.reading.add(subject);
  }

  #suspect(node: Node, index: number, update: Update): void {
    const { subject } = update;
    const suspicion = node.suspicions[subject];
    if (suspicion !== undefined) {
      if (this.#lifeguard) this.#confirm(node, index, update, suspicion);
      return;
    }
    if (node.status[subject] !== alive) return;
    node.incarnations[subject] = update.incarnation;
    node.status[subject] = suspect;
    const lastsMs = this.#suspicionMs * (this.#lifeguard ? maxSuspicionMult : 1);
    const fresh: Suspicion = {
      sinceMs: this.#nowMs, confirmed: new Set([update.from]), dueAtMs: this.#nowMs + lastsMs,
    };
    node.suspicions[subject] = fresh;
    this.#timer("suspicionEnd", index, fresh.dueAtMs, { about: subject, suspicion: fresh });
    this.#broadcast(node, index, update);
    if (update.from === index) this.#tally.suspected(index, subject, this.#nowMs);
  }

  #confirm(node: Node, index: number, update: Update, suspicion: Suspicion): void {
    const { confirmed } = suspicion;
    if (confirmed.size > confirmationsWanted || confirmed.has(update.from)) return;
    confirmed.add(update.from);
    this.#broadcast(node, index, update);
    const share = Math.log(confirmed.size) / Math.log(confirmationsWanted + 1);
    const mostMs = this.#suspicionMs * maxSuspicionMult;
    const lastsMs = Math.max(this.#suspicionMs, mostMs - share * (mostMs - this.#suspicionMs));
    suspicion.dueAtMs = Math.max(this.#nowMs, suspicion.sinceMs + lastsMs);
    this.#timer("suspicionEnd", index, suspicion.dueAtMs, { about: update.subject, suspicion });
  }

  #suspicionEnded(node: Node, { node: index, about, suspicion }: SwimEvent): void {
    if (node.suspicions[about] !== suspicion || this.#nowMs < (suspicion as Suspicion).dueAtMs) return;
    const incarnation = node.incarnations[about] as number;
    this.#hear(node, index, { status: dead, subject: about, incarnation, from: index });
  }

  #refute(node: Node, index: number, incarnation: number): void {
    node.incarnation = Math.max(node.incarnation, incarnation) + 1;
    node.incarnations[index] = node.incarnation;
    if (this.#lifeguard) node.health = Math.min(mostHealth, node.health + 1);
    this.#broadcast(node, index, { status: alive, subject: index, incarnation: node.incarnation, from: index });
  }

  // Gossip

  #broadcast(node: Node, index: number, update: Update): void {
    node.queue = node.queue.filter((one) => one.update.subject !== update.subject);
    node.queue.push({ update, transmits: 0 });
    if (node.isGossiping) return;
    node.isGossiping = true;
    const beats = Math.floor((this.#nowMs - node.gossipPhaseMs) / gossipMs) + 1;
    this.#timer("gossipTick", index, node.gossipPhaseMs + beats * gossipMs);
  }

  /** What was told least comes first. */
  #takeUpdates(node: Node, first: Update | undefined): readonly Update[] | undefined {
    if (node.queue.length === 0) return first === undefined ? undefined : [first];
    if (node.queue.length > mostUpdates) node.queue.sort((a, b) => a.transmits - b.transmits);
    const taken = node.queue.slice(0, mostUpdates);
    for (const one of taken) one.transmits++;
    if (taken.some(({ transmits }) => transmits >= this.#transmits)) {
      node.queue = node.queue.filter(({ transmits }) => transmits < this.#transmits);
    }
    const updates = taken.map(({ update }) => update);
    return first === undefined ? updates : [first, ...updates];
  }

  #gossip(node: Node, index: number): void {
    for (const to of this.#some(node, index, gossipNodes, -1)) {
      if (node.queue.length === 0) break;
      this.#send("gossip", index, to, { bytes: bytesOf.gossip });
    }
    node.isGossiping = node.queue.length > 0;
    if (node.isGossiping) this.#timer("gossipTick", index, this.#nowMs + gossipMs);
  }

  /** So many others at random; the lately dead hear gossip too, so that they may refute it. */
  #some(node: Node, index: number, many: number, except: number): number[] {
    const chosen: number[] = [];
    for (let tries = 0; tries < 3 * this.#count && chosen.length < many; tries++) {
      const one = this.#chance.index(this.#count);
      if (one === index || one === except || chosen.includes(one)) continue;
      if (node.status[one] === dead) {
        if (except >= 0 || this.#nowMs - (node.deadSinceMs[one] as number) > gossipToTheDeadMs) continue;
      }
      chosen.push(one);
    }
    return chosen;
  }

  /** Complete states are exchanged over TCP; whom the other holds dead is only suspected. */
  #pushPull(node: Node, event: SwimEvent): void {
    event.atMs = this.#nowMs + pushPullMs;
    this.#agenda.add(event);
    const index = event.node;
    const [peer] = this.#some(node, index, 1, index);
    if (peer === undefined) return;
    const other = this.#nodes[peer] as Node;
    this.#tally.sent(2_000, 2);
    if (!other.isUp || other.stalledUntilMs > 0 || node.stalledUntilMs > 0) return;
    for (let i = 0; i < this.#count; i++) {
      if (node.status[i] === other.status[i] && node.incarnations[i] === other.incarnations[i]) continue;
      const [mine, theirs] = [stateOf(node, i, index), stateOf(other, i, peer)];
      this.#hear(node, index, theirs);
      this.#hear(other, peer, mine);
    }
  }
}

function stateOf(node: Node, subject: number, from: number): Update {
  const status = node.status[subject] === alive ? alive : suspect;
  return { status, subject, incarnation: node.incarnations[subject] as number, from };
}

function shuffle(values: number[], chance: Chance): void {
  for (let i = values.length - 1; i > 0; i--) {
    const j = chance.index(i + 1);
    const kept = values[i] as number;
    values[i] = values[j] as number;
    values[j] = kept;
  }
}
