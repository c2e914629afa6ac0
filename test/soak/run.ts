/**
 * The soak: two processes call each other for long, while connections are cut at random moments from either side,
 * and what they hold must not grow.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type ClientOf, createClientOn } from "../../src/client/index.ts";
import { type ByteStream, RpcError, type Runtime } from "../../src/core/index.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import { Soak } from "./contract.ts";
import { type Held, measure } from "./measure.ts";
import type { Order, Report } from "./server.ts";

export interface SoakOptions {
  /** Unary calls and connections, at least; streams come on top. */
  readonly calls: number;
  readonly connections: number;
  /** Clients at work at once. Default 16. */
  readonly clients?: number;
  // What disturbs is counted in work, not in time: in a time that is fixed a slow machine gets no call through.
  /** The server drops a connection each time it has been called so often. Default 200. */
  readonly dropEveryCalls?: number;
  /** The server goes away and comes back each time so many clients have begun. Default 40. */
  readonly restartEvery?: number;
}

export interface SoakResult {
  readonly calls: number;
  readonly streams: number;
  readonly succeeded: number;
  /** Failures by status code. */
  readonly failures: Readonly<Record<string, number>>;
  /** Calls that did not settle, and those that settled in a way nobody foresaw. */
  readonly unsettled: number;
  readonly unexpected: readonly string[];
  readonly connections: number;
  readonly ends: Readonly<Record<string, number>>;
  readonly restarts: number;
  readonly seconds: number;
  /** At rest after each quarter: here, and in the server. */
  readonly client: readonly Held[];
  readonly server: readonly Report[];
}

/** What being cut off may look like to a caller. */
const foreseen = new Set(["unavailable", "cancelled", "deadline_exceeded"]);

const endings = ["close now", "close in order", "cut", "leave to chance"] as const;

class Tally {
  calls = 0;
  streams = 0;
  settled = 0;
  succeeded = 0;
  readonly failures: Record<string, number> = {};
  readonly ends: Record<string, number> = {};
  readonly unexpected: string[] = [];

  follow(call: Promise<unknown>): Promise<void> {
    return call.then(() => {
      this.settled++;
      this.succeeded++;
    }, (error: unknown) => {
      this.settled++;
      const code = RpcError.is(error) ? error.code : "no RpcError";
      this.failures[code] = (this.failures[code] ?? 0) + 1;
      if (!foreseen.has(code) && this.unexpected.length < 10) this.unexpected.push(String(error));
    });
  }
}

export async function soak(options: SoakOptions): Promise<SoakResult> {
  const { calls, connections, clients = 16, dropEveryCalls = 200, restartEvery = 40 } = options;
  const child = fork(fileURLToPath(new URL("server.ts", import.meta.url)), [String(dropEveryCalls)],
    { execArgv: ["--expose-gc"] });
  const first = await answer(child);
  const tally = new Tally();
  const beganMs = performance.now();
  const client: Held[] = [];
  const server: Report[] = [];
  const sessions = Math.ceil(connections / 4);
  const perSession = Math.ceil(calls / connections);
  let begun = 0;
  for (let quarter = 0; quarter < 4; quarter++) {
    let left = sessions;
    await Promise.all(Array.from({ length: clients }, async () => {
      while (left-- > 0) {
        if (++begun % restartEvery === 0) send(child, { do: "restart" });
        await session(first.port, perSession, tally);
      }
    }));
    // Streams that were cut off are done; whatever is still held is held by mistake.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    client.push(await measure());
    send(child, { do: "measure" });
    server.push(await answer(child));
  }
  send(child, { do: "stop" });
  const [code] = await once(child, "exit") as [number | null];
  if (code !== 0) tally.unexpected.push(`the server process ended with ${code}`);
  const last = server[3] as Report;
  return {
    calls: tally.calls, streams: tally.streams, succeeded: tally.succeeded, failures: tally.failures,
    unsettled: tally.calls + tally.streams - tally.settled, unexpected: tally.unexpected,
    connections: last.accepted, ends: { ...tally.ends, "dropped by the server": last.dropped },
    restarts: last.restarts, seconds: (performance.now() - beganMs) / 1_000, client, server,
  };
}

/** One client's life: it connects, calls in waves, and is ended one way or another while calls are in flight. */
async function session(port: number, calls: number, tally: Tally): Promise<void> {
  const streams = new Set<ByteStream>();
  // Settings of its own: clients that share them share their connection too.
  const client = createClientOn(tapped(streams), Soak, {
    address: `127.0.0.1:${port}`, settings: {}, reconnectMinMs: 1, reconnectMaxMs: 20, timeoutMs: 5_000,
  });
  const ending = endings[Math.floor(Math.random() * endings.length)] ?? "cut";
  // Mostly the last wave is hit, sometimes the first, which may still wait for the connection.
  const hit = Math.random() < 0.15 ? 0 : waves - 1;
  for (let wave = 0; wave < waves; wave++) {
    // Calls fail fast while the server is away: a client that did not mostly wait would spend them all at once.
    if (hit > 0 && Math.random() < 0.8) await reachable(client);
    const going = calling(client, Math.ceil(calls / waves), tally);
    if (Math.random() < 0.1) going.push(...streaming(client, tally));
    if (wave === hit) {
      tally.ends[ending] = (tally.ends[ending] ?? 0) + 1;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
      if (ending === "close now") client.$.close(0);
      else if (ending === "close in order") client.$.close(1_000);
      else if (ending === "cut") for (const stream of streams) stream.destroy();
    }
    await Promise.all(going);
  }
  client.$.close(0);
}

const waves = 4;

async function reachable(client: ClientOf<typeof Soak>): Promise<void> {
  for (let tries = 0; tries < 1_000; tries++) {
    try {
      await client.echo({ n: 0, text: "there?" });
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

function calling(client: ClientOf<typeof Soak>, calls: number, tally: Tally): Promise<void>[] {
  tally.calls += calls;
  return Array.from({ length: calls }, (_, n) =>
    tally.follow(n % 20 === 0 ? client.slow({ n, text: "slow" }) : client.echo({ n, text: "echo" })));
}

function streaming(client: ClientOf<typeof Soak>, tally: Tally): Promise<void>[] {
  async function* items(): AsyncGenerator<{ n: number; text: string }> {
    for (let n = 0; n < 20; n++) yield { n, text: "item" };
  }
  const options = { timeoutMs: 5_000 };
  const calls = [
    drain(client.count({ to: 200 }, options), 200), drain(client.count({ to: 1_000_000 }, options), 50),
    client.sum(items(), options), drain(client.chat(items(), options), Infinity),
    client.large({ text: "x".repeat(200_000) }),
  ];
  tally.streams += calls.length;
  return calls.map((call) => tally.follow(call));
}

/** Reads so many items and leaves. */
async function drain(stream: AsyncIterable<unknown>, most: number): Promise<void> {
  let read = 0;
  for await (const _ of stream) if (++read >= most) break;
}

/** The Node runtime, with its streams at hand so that they can be cut. */
function tapped(streams: Set<ByteStream>): Runtime {
  return {
    ...nodeRuntime,
    network: {
      ...nodeRuntime.network,
      connect(address, sink) {
        const stream = nodeRuntime.network.connect(address, {
          opened: () => sink.opened?.(),
          received: (bytes) => sink.received(bytes),
          drained: () => sink.drained?.(),
          closed(error) {
            streams.delete(stream);
            sink.closed(error);
          },
        });
        streams.add(stream);
        return stream;
      },
    },
  };
}

function send(child: ChildProcess, order: Order): void {
  if (child.connected) child.send(order);
}

async function answer(child: ChildProcess): Promise<Report> {
  const [report] = await Promise.race([
    once(child, "message"),
    once(child, "exit").then(([code]) => Promise.reject(new Error(`the server process ended with ${String(code)}`))),
  ]) as [Report];
  return report;
}
