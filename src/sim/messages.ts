/** The messages of the modelled wire, each an event of the simulation: what it is, and what its arrival does. */
import type { Context } from "../core/context.ts";
import { expected, type RpcError } from "../core/error.ts";
import type { LoadReport } from "../core/load.ts";
import type { Metadata } from "../core/metadata.ts";
import type { Host, Program, World } from "../runtime/sim/world.ts";
import { Message } from "./lane.ts";
import type { ServedModelled } from "./served.ts";
import type { ModelledConnection } from "./wire.ts";

/** What the programs of one host have sent over the modelled wire. */
export interface Traffic {
  /** Attempts: hedges, retries and probes are requests too. */
  requests: number;
  cancels: number;
  pings: number;
  /** Pings that ask for the server's load as well. */
  probes: number;
  connections: number;
}

const traffics = new WeakMap<Host, Traffic>();

export function noTraffic(): Traffic {
  return { requests: 0, cancels: 0, pings: 0, probes: 0, connections: 0 };
}

/** What the programs of `host` have sent so far; mutable. */
export function trafficOf(_world: World, host: Host): Traffic {
  let traffic = traffics.get(host);
  if (traffic === undefined) traffics.set(host, traffic = noTraffic());
  return traffic;
}

/** Who accepts modelled connections at a port of a program. */
export interface ModelledListener {
  accept(connection: ModelledConnection): ServedModelled;
}

const listeners = new WeakMap<Program, Map<string, ModelledListener>>();

/** The listeners of a program by port. They go with it. */
export function listenersOf(program: Program): Map<string, ModelledListener> {
  let found = listeners.get(program);
  if (found === undefined) listeners.set(program, found = new Map());
  return found;
}

const kinds = {
  opening: 32, hello: 33, request: 34, stop: 35, ping: 36, close: 37, reset: 38,
  opened: 48, greeted: 49, answer: 50, pong: 51, goAway: 52, refused: 53, broken: 54,
} as const;

/** What a client sends. */
export abstract class Ask extends Message {
  readonly connection: ModelledConnection;
  abstract readonly kind: keyof typeof kinds;

  constructor(connection: ModelledConnection) {
    super();
    this.connection = connection;
  }

  /** To the server's half of the connection; its machine answers for a program that is gone. */
  arrive(): void {
    const { served } = this.connection;
    if (served === undefined || !served.program.isAlive || served.isOver) {
      if (this.kind !== "reset" && this.kind !== "close") tell(new Broken(this.connection, "the peer reset it"));
      return;
    }
    served.program.admit(undefined, takeAsk, this as Ask);
  }

  abstract take(served: ServedModelled): void;
}

function takeAsk(ask: Ask): void {
  const served = ask.connection.served as ServedModelled;
  if (served.isOver) return;
  note(served.program, kinds[ask.kind], ask.lane.to);
  served.program.world.isTouched = true;
  ask.take(served);
}

function note({ world }: Program, kind: number, host: Host, id = 0): void {
  const { digest, log, agenda } = world;
  digest.foldNumber(agenda.nowMs);
  digest.foldWord(kind * 65_536 + host.index);
  if (id !== 0) digest.foldWord(id);
  if (log !== undefined) log(`${agenda.nowMs.toFixed(3)} ${host.name} ${nameOf(kind)}${id === 0 ? "" : ` ${id}`}`);
}

function nameOf(kind: number): string {
  return Object.entries(kinds).find(([, number]) => number === kind)?.[0] ?? "message";
}

/** Sends an answer of the server's machine, or program, on the way back. */
export function tell(message: Tell, bytes = 32): void {
  message.connection.incoming.send(message, bytes);
}

/** What a server, or its machine, sends. */
export abstract class Tell extends Message {
  readonly connection: ModelledConnection;
  abstract readonly kind: keyof typeof kinds;

  constructor(connection: ModelledConnection) {
    super();
    this.connection = connection;
  }

  arrive(): void {
    this.connection.program.admit(undefined, takeTell, this as Tell);
  }

  abstract take(connection: ModelledConnection): void;
}

function takeTell(message: Tell): void {
  const { connection } = message;
  if (!connection.heard()) return;
  const { program } = connection;
  note(program, kinds[message.kind], program.host);
  program.world.isTouched = true;
  message.take(connection);
}

/** Asks for a connection: the machine says whether anybody listens, before the program is asked. */
export class Opening extends Ask {
  readonly kind = "opening";
  readonly #port: string;

  constructor(connection: ModelledConnection, port: string) {
    super(connection);
    this.#port = port;
  }

  override arrive(): void {
    const { program, state } = this.lane.to;
    const listener = state === "up" && program.isAlive ? listenersOf(program).get(this.#port) : undefined;
    if (listener === undefined) {
      tell(new Refused(this.connection));
      return;
    }
    note(program, kinds.opening, this.lane.to);
    trafficOf(program.world, this.lane.from).connections++;
    this.connection.served = listener.accept(this.connection);
    tell(new Opened(this.connection));
  }

  take(): void {
    // Its arrival did all there is to do.
  }
}

class Refused extends Tell {
  readonly kind = "refused";

  take(connection: ModelledConnection): void {
    connection.broke(expected("unavailable", `cannot connect to ${connection.address}: nobody listens there; is the ` +
      "server running, and on this port?", { neverStarted: true, phase: "connect" }));
  }
}

/** The machine has taken the connection: now the programs greet each other, which takes another round trip. */
class Opened extends Tell {
  readonly kind = "opened";

  take(connection: ModelledConnection): void {
    if (connection.program.isAlive) connection.outgoing.send(new Hello(connection), 64);
  }
}

class Hello extends Ask {
  readonly kind = "hello";

  take(): void {
    tell(new Greeted(this.connection), 64);
  }
}

class Greeted extends Tell {
  readonly kind = "greeted";

  take(connection: ModelledConnection): void {
    connection.opened();
  }
}

export class Request extends Ask {
  readonly kind = "request";
  readonly id: number;
  readonly request: unknown;
  readonly context: Context;

  constructor(connection: ModelledConnection, id: number, request: unknown, context: Context) {
    super(connection);
    this.id = id;
    this.request = request;
    this.context = context;
  }

  take(served: ServedModelled): void {
    served.request(this.id, this.request, this.context);
  }
}

export class Stop extends Ask {
  readonly kind = "stop";
  readonly #id: number;
  readonly #reason: "cancelled" | "deadline_exceeded";

  constructor(connection: ModelledConnection, id: number, reason: "cancelled" | "deadline_exceeded") {
    super(connection);
    this.#id = id;
    this.#reason = reason;
  }

  take(served: ServedModelled): void {
    served.stop(this.#id, this.#reason);
  }
}

export class Ping extends Ask {
  readonly kind = "ping";
  readonly #sentMs: number;
  readonly #wantsLoad: boolean;

  constructor(connection: ModelledConnection, sentMs: number, wantsLoad: boolean) {
    super(connection);
    this.#sentMs = sentMs;
    this.#wantsLoad = wantsLoad;
  }

  take(served: ServedModelled): void {
    tell(new Pong(this.connection, this.#sentMs, this.#wantsLoad ? served.serving.load() : undefined));
  }
}

class Pong extends Tell {
  readonly kind = "pong";
  readonly #sentMs: number;
  readonly #load: LoadReport | undefined;

  constructor(connection: ModelledConnection, sentMs: number, load: LoadReport | undefined) {
    super(connection);
    this.#sentMs = sentMs;
    this.#load = load;
  }

  take(connection: ModelledConnection): void {
    if (this.#load !== undefined) connection.reported(this.#load);
    connection.ponged(this.#sentMs);
  }
}

/** The client has ended the connection, in order or not. */
export class Close extends Ask {
  readonly kind = "close";

  take(served: ServedModelled): void {
    served.ended();
  }
}

export class Reset extends Ask {
  readonly kind = "reset";

  take(served: ServedModelled): void {
    served.ended();
  }
}

/** The end of a call as it travels: an error, or a value, and what goes with it. */
export class Answer extends Tell {
  readonly kind = "answer";
  readonly id: number;
  readonly error: RpcError | undefined;
  readonly value: unknown;
  load: LoadReport | undefined = undefined;
  header: Metadata | undefined = undefined;
  trailer: Metadata | undefined = undefined;

  constructor(connection: ModelledConnection, id: number, error: RpcError | undefined, value: unknown) {
    super(connection);
    this.id = id;
    this.error = error;
    this.value = value;
  }

  take(connection: ModelledConnection): void {
    connection.answered(this);
  }
}

export class GoAway extends Tell {
  readonly kind = "goAway";
  readonly #lastId: number;
  readonly #why: string;

  constructor(connection: ModelledConnection, lastId: number, why: string) {
    super(connection);
    this.#lastId = lastId;
    this.#why = why;
  }

  take(connection: ModelledConnection): void {
    connection.goingAway(this.#lastId, this.#why);
  }
}

/** The server has closed, or its machine says that nobody is there any more. */
export class Broken extends Tell {
  readonly kind = "broken";
  readonly #why: string;

  constructor(connection: ModelledConnection, why: string) {
    super(connection);
    this.#why = why;
  }

  take(connection: ModelledConnection): void {
    connection.broke(expected("unavailable", `the connection to ${connection.address} broke: ${this.#why}`,
      { phase: "network" }));
  }
}
