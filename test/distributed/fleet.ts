/** Servers of one contract in a simulation, to call together: what they were asked, what of it was cancelled. */
import * as z from "zod";
import { type ClientOf, type ClientOptions, createClientOn } from "../../src/client/index.ts";
import { rpc, service } from "../../src/contract/index.ts";
import { type Context, type EndpointFields, RpcError, type Runtime } from "../../src/core/index.ts";
import { type MemoryDiscovery, memoryDiscovery } from "../../src/discovery/index.ts";
import { createSimulation, type Simulation } from "../../src/runtime/sim/index.ts";
import { createServerOn } from "../../src/server/server.ts";

export const Cell = service("test.v1.Cell", {
  read: rpc({
    input: z.object({ key: z.string() }), output: z.object({ by: z.string(), value: z.string(), version: z.int32() }),
    idempotent: true,
  }),
  write: rpc({
    input: z.object({ key: z.string(), value: z.string(), version: z.int32() }), output: z.object({ by: z.string() }),
    idempotent: "keyed",
  }),
  once: rpc({ input: z.object({}), output: z.object({}) }),
  numbers: rpc({
    kind: "server_stream", input: z.object({ from: z.int32(), step: z.int32(), count: z.int32() }),
    output: z.object({ n: z.int32() }), idempotent: true,
  }),
});

/** How one server behaves; tests change it as they go. */
export interface Behaviour {
  delayMs: number;
  failure: RpcError | undefined;
  value: string;
  version: number;
}

export interface Asked {
  readonly by: string;
  readonly method: string;
  readonly input: unknown;
  readonly context: Context;
}

export interface Fleet {
  readonly simulation: Simulation;
  readonly client: ClientOf<typeof Cell>;
  readonly runtime: Runtime;
  readonly discovery: MemoryDiscovery;
  readonly asked: Asked[];
  /** Items that streams handed out, by server. */
  readonly yielded: Map<string, number>;
  at(name: string): Behaviour;
  run<T>(body: Promise<T>): Promise<T>;
  /** Adds a server and lists it. */
  add(name: string, fields?: Partial<EndpointFields>): Promise<void>;
}

export async function createFleet(
  places: Readonly<Record<string, Partial<EndpointFields>>>, options: Partial<ClientOptions> = {},
  prepare: (simulation: Simulation) => void = () => undefined,
): Promise<Fleet> {
  const simulation = createSimulation({ seed: 1, link: { latencyMs: 1, jitterMs: 0.5 } });
  prepare(simulation);
  const discovery = memoryDiscovery();
  const behaviours = new Map<string, Behaviour>();
  const asked: Asked[] = [];
  const yielded = new Map<string, number>();
  const listed: EndpointFields[] = [];

  async function add(name: string, fields: Partial<EndpointFields> = {}): Promise<void> {
    const runtime = simulation.host(name, { region: fields.region ?? "", zone: fields.zone ?? "" });
    const behaviour: Behaviour = { delayMs: 5, failure: undefined, value: "v", version: 1 };
    behaviours.set(name, behaviour);
    const act = async (method: string, input: unknown, context: Context): Promise<void> => {
      asked.push({ by: name, method, input, context });
      const { delayMs, failure } = behaviour;
      await new Promise<void>((resolve) => void runtime.clock.after(delayMs, resolve));
      if (failure !== undefined) throw failure;
    };
    const server = createServerOn(runtime, fields).implement(Cell, {
      read: async (input, context) => {
        await act("read", input, context);
        return { by: name, value: behaviour.value, version: behaviour.version };
      },
      write: async (input, context) => {
        await act("write", input, context);
        Object.assign(behaviour, { value: input.value, version: input.version });
        return { by: name };
      },
      once: async (input, context) => {
        await act("once", input, context);
        return {};
      },
      async *numbers({ from, step, count }, context) {
        asked.push({ by: name, method: "numbers", input: { from, step, count }, context });
        for (let i = 0; i < count; i++) {
          if (behaviour.delayMs > 0) {
            await new Promise<void>((resolve) => void runtime.clock.after(behaviour.delayMs, resolve));
          }
          if (behaviour.failure !== undefined) throw behaviour.failure;
          yielded.set(name, (yielded.get(name) ?? 0) + 1);
          yield { n: from + i * step };
        }
      },
    });
    await server.listen({ host: name, port: 1 });
    listed.push({ id: name, address: `${name}:1`, ...fields });
    discovery.set(Cell.name, listed);
  }

  const runtime = simulation.host("client", { region: options.region ?? "" });
  const client = createClientOn(runtime, Cell, { discovery, view: false, retry: false, ...options });
  const run = <T>(body: Promise<T>) => simulation.runUntil(body, simulation.nowMs + 120_000);
  const at = (name: string): Behaviour => {
    const behaviour = behaviours.get(name);
    if (behaviour === undefined) throw new RpcError("invalid_argument", `no server ${name}`);
    return behaviour;
  };
  const adding = Object.entries(places).map(([name, fields]) => add(name, fields));
  await run(Promise.all(adding));
  await simulation.run(simulation.nowMs + 50);
  return { simulation, client, runtime, discovery, asked, yielded, at, run, add };
}

/** What a promise rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<RpcError> {
  const error: unknown = await promise.then(() => undefined, (thrown: unknown) => thrown);
  if (!RpcError.is(error)) throw new TypeError(`expected an RpcError, got ${String(error)}`);
  return error;
}
