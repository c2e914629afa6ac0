/** What every test of bad input has around it: a server that is told of, and a healthy client that must not notice. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import { createClientOn } from "../../src/client/index.ts";
import { bytes, type Handlers, rpc, service } from "../../src/contract/index.ts";
import type { Context, Observer, Runtime } from "../../src/core/index.ts";
import type { NativeSettings } from "../../src/protocol/native/index.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { createServerOn, type Server, type ServerOptions } from "../../src/server/index.ts";

const item = z.object({ n: z.int32(), text: z.string() });
const tree = z.object({
  name: z.string(),
  get children() {
    return z.array(tree);
  },
});

export const Target = service("bad.v1.Target", {
  echo: rpc({ input: item, output: item }),
  tree: rpc({ input: tree, output: z.object({ depth: z.int32() }) }),
  free: rpc({ input: z.object({ any: z.unknown() }), output: z.object({ kind: z.string() }) }),
  map: rpc({ input: z.object({ map: z.record(z.string(), z.int32()) }), output: z.object({ keys: z.string() }) }),
  blob: rpc({ input: z.object({ size: z.int32() }), output: z.object({ data: bytes() }) }),
  upload: rpc({ input: z.object({ data: bytes() }), output: z.object({ size: z.int32() }) }),
  never: rpc({ input: z.object({}), output: z.object({}) }),
  who: rpc({ input: z.object({}), output: z.object({ names: z.string() }) }),
  count: rpc({ kind: "server_stream", input: z.object({ to: z.int32() }), output: z.object({ text: z.string() }) }),
  take: rpc({ kind: "client_stream", input: z.object({ n: z.int32() }), output: z.object({ sum: z.int32() }) }),
  hasty: rpc({ kind: "client_stream", input: z.object({ text: z.string() }), output: z.object({}) }),
  ignore: rpc({ kind: "client_stream", input: z.object({ n: z.int32() }), output: z.object({}) }),
  look: rpc({ input: item, output: item, safe: true }),
  boom: rpc({ input: z.object({ n: z.int32() }), output: z.object({}) }),
  burst: rpc({ kind: "server_stream", input: z.object({ to: z.int32() }), output: z.object({ text: z.string() }) }),
});

/** What handlers fail with that are no RpcErrors, and nobody outside may read. */
export const secret = "password=hunter2";

export interface Happened {
  readonly name: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface Harness {
  /** The attacker's runtime. */
  readonly runtime: Runtime;
  readonly server: Server;
  readonly address: string;
  /** What the server's observer heard. */
  readonly events: Happened[];
  /** Errors of calls that reached a route. */
  readonly handled: string[];
  readonly cancelled: string[];
  /** Messages of streams that handlers have produced. */
  readonly produced: () => number;
  sleep(ms: number): Promise<void>;
  /** Waits until an event of this name mentions the text. */
  event(name: string, text: RegExp): Promise<Happened>;
}

export interface HarnessOptions extends Omit<ServerOptions, "settings"> {
  readonly settings?: Partial<NativeSettings> | undefined;
  /** Without a healthy client, where the server has no room for one. */
  readonly alone?: boolean;
}

/** Runs `act` against a server over loopback sockets. */
export async function onSockets(options: HarnessOptions, act: (harness: Harness) => Promise<void>): Promise<void> {
  await underLoad({ attacker: nodeRuntime, server: nodeRuntime, client: nodeRuntime }, options,
    async (ms) => { await sleep(ms); }, act, "127.0.0.1");
}

/** Runs `act` in the simulator, where a minute passes at once. */
export async function inSimulator(options: HarnessOptions, act: (harness: Harness) => Promise<void>): Promise<void> {
  const simulation = createSimulation({ seed: 1, link: { latencyMs: 1 } });
  const hosts = {
    attacker: simulation.host("attacker"), server: simulation.host("server"), client: simulation.host("client"),
  };
  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => void hosts.attacker.clock.after(ms, resolve));
  await simulation.runUntil(underLoad(hosts, options, pause, act, "server"), 3_600_000);
}

type Hosts = Readonly<Record<"attacker" | "server" | "client", Runtime>>;

async function underLoad(
  hosts: Hosts, options: HarnessOptions, pause: (ms: number) => Promise<void>, act: (harness: Harness) => Promise<void>,
  host: string,
): Promise<void> {
  const events: Happened[] = [];
  const handled: string[] = [];
  const cancelled: string[] = [];
  let produced = 0;
  const observer: Observer = {
    event: (name, fields) => void events.push({ name, fields }),
    handled: (context, _latencyMs, error) => {
      if (error !== undefined) handled.push(`${context.method.name} ${error.code}: ${error.message}`);
    },
  };
  const server = createServerOn(hosts.server, { ...options, observer });
  server.implement(Target, handlers(cancelled, () => void produced++));
  const address = await server.listen({ host, port: host === "server" ? 1 : 0 });
  const healthy = createClientOn(hosts.client, Target, { address, settings: options.settings ?? {}, retry: false });
  const state = { stopped: false };
  let calls = 0;
  const calling = (async () => {
    while (!state.stopped && options.alone !== true) {
      const n = calls++;
      assert.deepEqual(await healthy.echo({ n, text: "fine" }, { timeoutMs: 10_000 }), { n, text: "fine" });
      await pause(5);
    }
  })();
  const event: Harness["event"] = async (name, text) => {
    for (let tries = 0; ; tries++) {
      const found = events.find((one) => one.name === name && text.test(Object.values(one.fields).join(" ")));
      if (found !== undefined) return found;
      assert.ok(tries < 3_000, `no event ${name} with ${text} in ${JSON.stringify(events.slice(-20))}`);
      await pause(10);
    }
  };
  try {
    const harness = {
      runtime: hosts.attacker, server, address, events, handled, cancelled, produced: () => produced, event,
      sleep: pause,
    };
    const acting = act(harness);
    // A call of the healthy client that fails ends the test at once.
    await (options.alone === true ? acting : Promise.race([acting, calling]));
    state.stopped = true;
    await calling;
    assert.ok(calls > 0 || options.alone === true);
  } finally {
    state.stopped = true;
    healthy.$.close(0);
    await server.close(0);
  }
}

function handlers(cancelled: string[], produce: () => void): Handlers<typeof Target> {
  const watch = (context: Context): void =>
    context.onCancel({ cancelled: (reason) => void cancelled.push(`${context.method.name} ${reason.message}`) });
  return {
    echo: (input) => input,
    tree: (input) => ({ depth: depthOf(input) }),
    free: ({ any }) => ({ kind: typeof any }),
    map: ({ map }) => ({ keys: Object.keys(map).join() }),
    blob: ({ size }) => ({ data: new Uint8Array(size) }),
    upload: ({ data }) => ({ size: data.length }),
    never: (_input, context) => {
      watch(context);
      return new Promise(() => undefined);
    },
    who: (_input, context) => ({ names: Object.keys(context.metadata).join() }),
    async *count({ to }, context) {
      watch(context);
      for (let n = 0; n < to; n++) {
        produce();
        yield { text: "x".repeat(1_000) };
      }
    },
    async take(inputs) {
      let sum = 0;
      for await (const { n } of inputs) sum += n;
      return { sum };
    },
    hasty: () => ({}),
    look: (input) => input,
    boom({ n }) {
      const error = Object.assign(new Error(secret), { code: "ENOENT", detail: secret });
      if (n === 0) throw error;
      return Promise.reject(error);
    },
    async *burst({ to }) {
      for (let n = 0; n < to; n++) yield { text: "fine" };
      await Promise.reject(new TypeError(secret));
    },
    ignore: (_inputs, context) => {
      watch(context);
      return new Promise(() => undefined);
    },
  };
}

function depthOf(node: z.infer<typeof tree>): number {
  return 1 + Math.max(0, ...node.children.map(depthOf));
}
