/** Two regions in the simulator, a gateway and an admin in each, and a client that calls through them. */
import * as z from "zod";
import { type Admin, type AdminOptions, createAdminOn } from "../../src/admin/index.ts";
import { type ClientOptions, createClientOn } from "../../src/client/index.ts";
import { type Client, rpc, service } from "../../src/contract/index.ts";
import { Context, type Metadata, type Observer, RpcError } from "../../src/core/index.ts";
import { memoryDiscovery } from "../../src/discovery/index.ts";
import { createGatewayOn, type Gateway, gatewayServiceName } from "../../src/gateway/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { createServerOn, type Server } from "../../src/server/index.ts";
import { AdminContract } from "../../src/admin/index.ts";

const answer = z.object({ by: z.string() });
export const Shop = service("shop.v1.Shop", {
  read: rpc({ input: z.object({ ms: z.int32() }), output: answer, idempotent: true, safe: true }),
  pay: rpc({ input: z.object({ ms: z.int32() }), output: answer }),
  watch: rpc({ kind: "server_stream", input: z.object({ count: z.int32() }), output: answer }),
});

export const regions = ["eu", "us"] as const;
export type Region = (typeof regions)[number];

export async function createPlace(options: AdminOptions = {}, observer: Observer = {}) {
  const simulation = createSimulation({ seed: 3, link: { latencyMs: 0.5 } });
  simulation.link("us", "eu", { latencyMs: 40 });
  const known = memoryDiscovery();
  const servers = new Map<string, Server>();
  const handled: string[] = [];
  const serve = async (region: Region, name: string, attributes: Record<string, string> = {}, as?: string) => {
    const runtime = simulation.host(name, { region });
    const wait = (ms: number) => new Promise<void>((resolve) => void runtime.clock.after(ms, resolve));
    const handle = async ({ ms }: { ms: number }, context: Context) => {
      handled.push(`${name} ${context.method.name} ${context.metadata["meridian-mirror"] ?? ""}`.trim());
      if (ms > 0) await wait(ms);
      if (ms < 0) throw new RpcError("internal", "the till is broken");
      return { by: name };
    };
    const admin = createAdminOn(runtime, { role: "server", region, name });
    const server = createServerOn(runtime, admin.forServer({
      region, registry: known, attributes, ...(as === undefined ? {} : { registerAs: [as] }),
    })).implement(Shop, {
      read: handle, pay: handle,
      async *watch({ count }) {
        for (let i = 0; i < count; i++) {
          await wait(1);
          yield { by: name };
        }
      },
    });
    admin.add(server);
    await server.listen({ host: name, port: 1 });
    servers.set(name, server);
    return { server, admin };
  };
  const stand = async (region: Region): Promise<{ admin: Admin; gateway: Gateway }> => {
    const runtime = simulation.host(`${region}-gateway`, { region });
    const admin = createAdminOn(runtime, { region, name: `${region}/gateway`, contracts: [Shop], ...options });
    const gateway = admin.add(createGatewayOn(runtime, admin.forGateway({
      region, discovery: known, registry: known, contracts: [Shop], timing: true, observer,
    })));
    await gateway.listen({ host: `${region}-gateway`, port: 1 });
    return { admin, gateway };
  };
  const client = (region: Region, more: Partial<ClientOptions> = {}) =>
    createClientOn(simulation.host(`${region}-client`, { region }), Shop,
      { region, discovery: known, name: gatewayServiceName, ...more });
  const run = <T>(main: Promise<T>): Promise<T> => simulation.runUntil(main, 600_000);
  const pass = (ms: number): Promise<void> => simulation.run(simulation.nowMs + ms);
  return { simulation, known, serve, stand, client, run, pass, handled, servers };
}

/** Calls an admin's handlers directly, as its own process may. */
export function within(admin: Pick<Admin, "handlers">, metadata: Metadata = {}): Client<typeof AdminContract> {
  const calls = Object.fromEntries(Object.entries(AdminContract.methods).map(([name, method]) => {
    const handler = admin.handlers[name as keyof typeof AdminContract.methods] as (input: unknown, context: Context) =>
      unknown;
    return [name, method.kind === "server_stream"
      ? (input: unknown) => handler(input, new Context(method, 0, Infinity, { metadata }))
      : async (input: unknown) => await handler(input, new Context(method, 0, Infinity, { metadata }))];
  }));
  return calls as unknown as Client<typeof AdminContract>;
}
