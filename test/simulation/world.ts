/** Three regions with a gateway, two servers and a client each, and a registry: a small world to break. */
import * as z from "zod";
import { createClientOn } from "../../src/client/index.ts";
import { rpc, service } from "../../src/contract/index.ts";
import { type Observer, RpcError, type Runtime } from "../../src/core/index.ts";
import { createGatewayOn, gatewayServiceName } from "../../src/gateway/index.ts";
import { native, type Protocol } from "../../src/protocol/index.ts";
import { connectRegistry, hostRegistryOn } from "../../src/registry/index.ts";
import { createSimulation, type Simulation } from "../../src/runtime/sim/index.ts";
import { createServerOn } from "../../src/server/index.ts";

export const regions = ["us-east", "eu-west", "ap-south"] as const;
export type RegionName = (typeof regions)[number];

/** One-way milliseconds between regions. */
const distances: readonly [RegionName, RegionName, number][] = [
  ["us-east", "eu-west", 35], ["us-east", "ap-south", 95], ["eu-west", "ap-south", 62],
];

export const Store = service("test.v1.Store", {
  read: rpc({ input: z.object({ key: z.string() }), output: z.object({ value: z.int32() }), idempotent: true }),
  add: rpc({ input: z.object({ id: z.string() }), output: z.object({ total: z.int32() }), idempotent: "keyed" }),
});

export interface Outcome {
  readonly method: "read" | "add";
  readonly region: RegionName;
  readonly dueMs: number;
  readonly endedMs: number;
  readonly id: string;
  /** Where it was served, if it was. */
  readonly servedBy: string | undefined;
  readonly error: RpcError | undefined;
}

export interface World {
  readonly simulation: Simulation;
  readonly outcomes: Outcome[];
  /** The replicated database: effects by idempotency key, each with how often it was applied. */
  readonly applied: Map<string, number>;
  /** Attempts that clients began, by the second. */
  readonly attempts: number[];
  start(): Promise<void>;
  /** Kills gateway and servers of a region; with `isSilent` nobody is told. */
  kill(region: RegionName, isSilent: boolean): void;
  restore(region: RegionName): void;
  /** Lets every client call at `perSecond` for the given span. */
  load(perSecond: number, fromMs: number, toMs: number): void;
}

export interface WorldOptions {
  /** Whether clients call servers themselves, rather than through gateways. */
  readonly direct?: boolean;
  /** What clients and gateways speak. Default: the native wire. */
  readonly protocol?: Protocol;
}

export function createWorld(seed: number, { direct = false, protocol = native() }: WorldOptions = {}): World {
  const simulation = createSimulation({ seed, link: { latencyMs: 0.2, jitterMs: 0.2 } });
  for (const [left, right, latencyMs] of distances) {
    simulation.link(left, right, { latencyMs, jitterMs: latencyMs / 10 });
  }
  const outcomes: Outcome[] = [];
  const applied = new Map<string, number>();
  const recorded = new Map<string, number>();
  const attempts: number[] = [];
  const registryAddress = "registry:1";

  async function serve(region: RegionName, name: string, runtime: Runtime): Promise<void> {
    const server = createServerOn(runtime, {
      region, zone: name.slice(-1), registry: connectRegistry(runtime, { address: registryAddress }),
    });
    server.implement(Store, {
      read: async (_input, context) => {
        await new Promise<void>((resolve) => void runtime.clock.after(2 + runtime.random.next() * 6, resolve));
        context.setTrailer("served-by", region);
        return { value: 1 };
      },
      add: async ({ id }, context) => {
        await new Promise<void>((resolve) => void runtime.clock.after(1 + runtime.random.next() * 3, resolve));
        context.setTrailer("served-by", region);
        const key = context.idempotencyKey ?? "";
        // Effect and record in one step: what a transaction of the replicated database would do.
        if (!recorded.has(key)) {
          applied.set(id, (applied.get(id) ?? 0) + 1);
          recorded.set(key, applied.size);
        }
        return { total: recorded.get(key) as number };
      },
    });
    await server.listen({ host: name, port: 7_001 });
  }

  async function stand(region: RegionName, name: string, runtime: Runtime): Promise<void> {
    const discovery = connectRegistry(runtime, { address: registryAddress });
    await createGatewayOn(runtime, {
      region, discovery, registry: discovery, contracts: [Store], client: { protocol },
    }).listen({ host: name, port: 7_000 });
  }

  const roles = (region: RegionName) => [
    { name: `${region}-gateway`, run: stand }, { name: `${region}-a`, run: serve }, { name: `${region}-b`, run: serve },
  ];
  const observer: Observer = {
    attemptEnded(context) {
      const second = Math.floor(context.startedMs / 1_000);
      attempts[second] = (attempts[second] ?? 0) + 1;
    },
  };
  const clients = new Map<RegionName, { runtime: Runtime; store: ReturnType<typeof createClientOn<typeof Store>> }>();

  return {
    simulation, outcomes, applied, attempts,
    async start() {
      await hostRegistryOn(simulation.host("registry"), { host: "registry", port: 1 });
      await Promise.all(regions.flatMap((region) =>
        roles(region).map(({ name, run }) => run(region, name, simulation.host(name, { region })))));
      for (const region of regions) {
        const runtime = simulation.host(`${region}-client`, { region });
        const discovery = connectRegistry(runtime, { address: registryAddress });
        clients.set(region, {
          runtime,
          store: createClientOn(runtime, Store, {
            region, discovery, observer, protocol, ...(direct ? {} : { name: gatewayServiceName }), timeoutMs: 2_000,
          }),
        });
      }
    },
    kill(region, isSilent) {
      for (const { name } of roles(region)) simulation.crash(name, { isSilent });
    },
    restore(region) {
      for (const { name, run } of roles(region)) void run(region, name, simulation.restart(name));
    },
    load(perSecond, fromMs, toMs) {
      for (const region of regions) {
        const { runtime, store } = clients.get(region) as NonNullable<ReturnType<typeof clients.get>>;
        let count = 0;
        const call = async (dueMs: number): Promise<void> => {
          const id = `${region} ${count++}`;
          const method = count % 3 === 0 ? "add" : "read";
          let servedBy: string | undefined;
          const onMetadata = (_kind: string, metadata: Readonly<Record<string, string>>): void => {
            servedBy = metadata["served-by"] ?? servedBy;
          };
          let error: RpcError | undefined;
          try {
            await (method === "add" ? store.add({ id }, { onMetadata }) : store.read({ key: id }, { onMetadata }));
          } catch (thrown) {
            error = RpcError.from(thrown);
          }
          outcomes.push({ method, region, dueMs, endedMs: runtime.clock.now(), id, servedBy, error });
        };
        const tick = (dueMs: number): void => {
          if (dueMs >= toMs) return;
          simulation.at(dueMs, () => {
            void call(dueMs);
            tick(dueMs + 1_000 / perSecond);
          });
        };
        tick(fromMs);
      }
    },
  };
}
