/**
 * The soak over HTTP/2: thousands of connections that their other side ends by GOAWAY, reset, half-close or silence, at
 * any moment, with calls under way; first as client, then as server. What is held here must not grow.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { createClient, createServer, grpc, RpcError, type Server } from "../../src/index.ts";
import { Soak } from "./contract.ts";
import type { ForeignOrder, ForeignReport } from "./http2-foreign.ts";
import { type Held, measure } from "./measure.ts";

export interface Http2SoakResult {
  readonly side: "client" | "server";
  /** Connections that the other side ended, by how. */
  readonly ends: Readonly<Record<string, number>>;
  readonly cycles: number;
  readonly calls: number;
  readonly succeeded: number;
  /** Failures by status code. */
  readonly failures: Readonly<Record<string, number>>;
  /** What nobody foresaw: calls that did not settle, errors that are none of ours, connections that stayed. */
  readonly unexpected: readonly string[];
  readonly seconds: number;
  /** At rest, first when warm, then after each quarter. */
  readonly held: readonly Held[];
}

const quarters = 4;
const lingerMs = 2_000;
const foreignProgram = fileURLToPath(new URL("http2-foreign.ts", import.meta.url));

/** The process of the other side, and the latest that it said. */
class Foreign {
  readonly #child: ChildProcess = fork(foreignProgram);
  ends: Readonly<Record<string, number>> = {};
  #done = Promise.withResolvers<void>();
  readonly #port = Promise.withResolvers<number>();

  constructor() {
    this.#child.once("exit", (code) => {
      const error = new Error(`the other side's process ended with ${String(code)}`);
      this.#port.reject(error);
      this.#done.reject(error);
    });
    this.#done.promise.catch(() => undefined);
    this.#port.promise.catch(() => undefined);
    this.#child.on("message", ({ ends, port, done }: ForeignReport) => {
      this.ends = ends;
      if (port !== undefined) this.#port.resolve(port);
      if (done) this.#done.resolve();
    });
  }

  get cycles(): number {
    return Object.values(this.ends).reduce((sum, one) => sum + one, 0);
  }

  serve(): Promise<number> {
    this.#child.send({ do: "serve" } satisfies ForeignOrder);
    return this.#port.promise;
  }

  async call(port: number, cycles: number): Promise<void> {
    this.#done = Promise.withResolvers();
    this.#child.send({ do: "call", port, cycles } satisfies ForeignOrder);
    await this.#done.promise;
  }

  async stop(): Promise<void> {
    const exit = once(this.#child, "exit");
    this.#child.disconnect();
    await exit;
  }
}

interface Tally {
  calls: number;
  succeeded: number;
  readonly failures: Record<string, number>;
  readonly unexpected: string[];
}

const clients = 64;
/** A call that has not settled then never will. */
const hangMs = 30_000;
const item = { n: 5, text: "five" };

async function callOnce(client: ReturnType<typeof createClient<typeof Soak>>, tally: Tally): Promise<void> {
  tally.calls++;
  const hang = Promise.withResolvers<never>();
  const timer = setTimeout(() => hang.reject(new Error("a call did not settle")), hangMs);
  const options = { timeoutMs: 5_000 };
  const call = Math.random() < 0.8 ? client.echo(item, options) : readAll(client.chat(twice(), options));
  try {
    await Promise.race([call, hang.promise]);
    tally.succeeded++;
  } catch (error) {
    if (!RpcError.is(error)) tally.unexpected.push(String(error));
    else tally.failures[error.code] = (tally.failures[error.code] ?? 0) + 1;
  } finally {
    clearTimeout(timer);
  }
}

async function* twice(): AsyncGenerator<typeof item> {
  yield item;
  yield item;
}

async function readAll(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of items) void _;
}

/** Clients that call until the other side has ended so many connections in all. */
async function callUntil(foreign: Foreign, address: string, cycles: number, tally: Tally): Promise<void> {
  await Promise.all(Array.from({ length: clients }, async () => {
    const client = createClient(Soak, {
      address, protocol: grpc({}), reconnectMinMs: 2, reconnectMaxMs: 20, outliers: false,
    });
    while (foreign.cycles < cycles) {
      await Promise.all(Array.from({ length: 1 + Math.floor(Math.random() * 3) }, () => callOnce(client, tally)));
      // Also while nobody calls connections end.
      if (Math.random() < 0.5) await new Promise((resolve) => setTimeout(resolve, Math.random() * 10));
    }
    client.$.close(0);
  }));
}

/** Our client, and a server that ends every connection. */
export async function soakClient(cycles: number): Promise<Http2SoakResult> {
  const startedMs = performance.now();
  const tally: Tally = { calls: 0, succeeded: 0, failures: {}, unexpected: [] };
  const foreign = new Foreign();
  const address = `127.0.0.1:${await foreign.serve()}`;
  const held: Held[] = [];
  for (let quarter = 0; quarter <= quarters; quarter++) {
    // The first tenth only warms up: compiled code and caches of fixed size are no leak.
    await callUntil(foreign, address, cycles * (quarter === 0 ? 0.1 : quarter / quarters), tally);
    held.push(await measure());
  }
  await foreign.stop();
  return {
    side: "client", ...tally, ends: foreign.ends, cycles: foreign.cycles, held,
    seconds: (performance.now() - startedMs) / 1000,
  };
}

/** Our server, and clients that end every connection. */
export async function soakServer(cycles: number): Promise<Http2SoakResult> {
  const startedMs = performance.now();
  const tally: Tally = { calls: 0, succeeded: 0, failures: {}, unexpected: [] };
  const handled = <T>(value: T): T => {
    tally.calls++;
    return value;
  };
  const server = createServer({
    observer: {
      handled: (_context, _latencyMs, error) => {
        if (error === undefined) tally.succeeded++;
        else tally.failures[error.code] = (tally.failures[error.code] ?? 0) + 1;
      },
    },
  });
  server.implement(Soak, {
    echo: handled, large: handled,
    slow: async (input) => {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 5));
      return handled(input);
    },
    count: async function* () { /* Not called here. */ },
    sum: () => ({ sum: 0 }),
    chat: async function* (inputs) {
      yield* inputs;
    },
  });
  const port = Number((await server.listen()).split(":").pop());
  const foreign = new Foreign();
  const held: Held[] = [];
  for (let quarter = 0; quarter <= quarters; quarter++) {
    await foreign.call(port, Math.ceil(quarter === 0 ? cycles / 10 : (cycles * 0.9) / quarters));
    await atRest(server, tally);
    // What ended in order is kept for another second, for frames that are still on their way.
    await new Promise((resolve) => setTimeout(resolve, lingerMs));
    held.push(await measure());
  }
  await foreign.stop();
  await server.close(0);
  return {
    side: "server", ...tally, ends: foreign.ends, cycles: foreign.cycles, held,
    seconds: (performance.now() - startedMs) / 1000,
  };
}

/** Nothing may be left of connections whose other side is gone. */
async function atRest(server: Pick<Server, "connections" | "inFlight">, tally: Tally): Promise<void> {
  const giveUpMs = performance.now() + 20_000;
  while (server.connections > 0 || server.inFlight > 0) {
    if (performance.now() > giveUpMs) {
      tally.unexpected.push(`${server.connections} connections and ${server.inFlight} calls stayed`);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
