/**
 * Simulated datagrams: each crosses the link by itself, so that jitter reorders them, loss and cuts swallow them, and
 * a link with more to carry than it can drops what would wait too long.
 *
 * Experiments send them by the million: one happening each, no promise, and the way to a peer is remembered.
 */
import { RpcError } from "../../core/error.ts";
import type { DatagramReceiver, DatagramSocket } from "../../core/runtime.ts";
import { Happening } from "./agenda.ts";
import type { Link } from "./topology.ts";
import { type Host, type Program, record } from "./world.ts";

/** As over IPv4. */
const maxBytes = 65_507;
/** What a kernel keeps for a program that does not read: Linux's default. */
const maxUnreadBytes = 212_992;
/** Longest wait for a busy link; what would wait longer is dropped, as by a router's full queue. */
const maxQueueMs = 1_000;
/** Ways to peers that a socket remembers. */
const maxWays = 4_096;

interface Way {
  readonly host: Host;
  readonly port: string;
  link: Link;
  version: number;
}

/** Finds out what an address means to a program; throws `invalid_argument`. */
export type FindHost = (address: string) => { readonly host: Host | undefined; readonly port: string };

/** Opens a socket at a port of the program's own host that nobody else has. */
export function openDatagrams(
  program: Program, port: string, find: FindHost, receive: DatagramReceiver,
): DatagramSocket {
  const socket = new SimulatedDatagrams(program, port, find, receive);
  program.sockets.set(port, socket);
  record(program.world, "listening", program.host, undefined, socket.address);
  return socket;
}

export class SimulatedDatagrams implements DatagramSocket {
  readonly address: string;
  readonly maxBytes = maxBytes;
  readonly #program: Program;
  readonly #port: string;
  readonly #find: FindHost;
  readonly #receive: DatagramReceiver;
  readonly #ways = new Map<string, Way>();
  #unreadBytes = 0;
  #isOpen = true;

  constructor(program: Program, port: string, find: FindHost, receive: DatagramReceiver) {
    this.address = `${program.host.name}:${port}`;
    this.#program = program;
    this.#port = port;
    this.#find = find;
    this.#receive = receive;
  }

  send(bytes: Uint8Array, to: string): boolean {
    const { world, host, isAlive } = this.#program;
    if (!this.#isOpen || !isAlive || bytes.length > maxBytes) return false;
    const way = this.#way(to);
    if (way === undefined) return false;
    const { random, agenda, topology } = world;
    const { link } = way;
    let dueMs = agenda.nowMs;
    if (link.bytesPerMs !== Infinity) {
      const freeMs = Math.max(dueMs, link.busyUntilMs);
      if (freeMs - dueMs > maxQueueMs) return false;
      dueMs = link.busyUntilMs = freeMs + bytes.length / link.bytesPerMs;
    }
    // Lost ones take their share of the link too; the sender never learns.
    if (topology.isCut(host, way.host)) return true;
    if (link.lossRate > 0 && random.next() < link.lossRate) return true;
    dueMs += link.latencyMs;
    if (link.jitterMs > 0) dueMs += Math.min(-Math.log(1 - random.next()), 10) * link.jitterMs;
    agenda.plan(new Datagram(this, way, bytes), dueMs);
    return true;
  }

  #way(to: string): Way | undefined {
    const { topology } = this.#program.world;
    const { host: from } = this.#program;
    let way = this.#ways.get(to);
    if (way === undefined) {
      const found = this.#lookUp(to);
      if (found === undefined) return undefined;
      if (this.#ways.size >= maxWays) this.#ways.clear();
      way = { ...found, link: topology.link(from, found.host), version: topology.version };
      this.#ways.set(to, way);
    } else if (way.version !== topology.version) {
      way.link = topology.link(from, way.host);
      way.version = topology.version;
    }
    return way;
  }

  #lookUp(to: string): { host: Host; port: string } | undefined {
    try {
      const { host, port } = this.#find(to);
      return host === undefined || port === "0" ? undefined : { host, port };
    } catch {
      return undefined;
    }
  }

  /** A datagram has crossed the link, unless that was cut meanwhile or nobody is there. */
  arrive({ host, port }: Way, bytes: Uint8Array): void {
    const { world, host: from } = this.#program;
    if (host.state !== "up" || world.topology.isCut(from, host)) return;
    host.program.sockets.get(port)?.take(bytes, this.address);
  }

  /** What comes while the program is stopped waits, as far as there is room. */
  take(bytes: Uint8Array, from: string): void {
    const program = this.#program;
    if (program.isHolding) {
      if (this.#unreadBytes + bytes.length > maxUnreadBytes) return;
      this.#unreadBytes += bytes.length;
      program.admit(undefined, () => {
        this.#unreadBytes -= bytes.length;
        this.#deliver(bytes, from);
      });
      return;
    }
    program.admit(undefined, () => this.#deliver(bytes, from));
  }

  #deliver(bytes: Uint8Array, from: string): void {
    if (!this.#isOpen) return;
    const { world, host } = this.#program;
    record(world, "datagram", host, bytes, from);
    world.isTouched = true;
    this.#receive(bytes, from);
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#ways.clear();
    const { sockets } = this.#program;
    if (sockets.get(this.#port) === this) sockets.delete(this.#port);
  }
}

class Datagram extends Happening {
  readonly #from: SimulatedDatagrams;
  readonly #way: Way;
  readonly #bytes: Uint8Array;

  constructor(from: SimulatedDatagrams, way: Way, bytes: Uint8Array) {
    super();
    this.#from = from;
    this.#way = way;
    this.#bytes = bytes;
  }

  happen(): void {
    this.#from.arrive(this.#way, this.#bytes);
  }
}

/** What is wrong with a datagram address that streams would take. */
export function noUnixSocket(address: string): RpcError {
  return new RpcError("invalid_argument",
    `address ${JSON.stringify(address)} cannot be used: datagrams have no Unix sockets; write host:port or ` +
    "[v6-address]:port", { phase: "connect", neverStarted: true, retryable: false });
}
