/** A gateway, a server and a client of one configuration, in the simulator: what reloads do is seen by calling. */
import * as z from "zod";
import { rpc, service } from "../../src/contract/index.ts";
import { type FileSource, RpcError } from "../../src/core/index.ts";
import { type ConfigReading, fileConfigSource, type LiveConfig, openConfigOn } from "../../src/config/index.ts";
import { createClientOn } from "../../src/client/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { authOf, type AuthorisationRules, type SecurityConfig } from "../../src/security/index.ts";
import { createServerOn } from "../../src/server/index.ts";

const pair = z.object({ a: z.int32(), b: z.int32() });
export const Calculator = service("calc.v1.Calculator", {
  add: rpc({ input: pair, output: z.object({ sum: z.int32() }), idempotent: true }),
  sub: rpc({ input: pair, output: z.object({ sum: z.int32() }) }),
});

export type Event = readonly [name: string, fields: Readonly<Record<string, unknown>>];

/** A file that is a variable. */
export function variableFile(first: string) {
  let text: string | undefined = first;
  const told = new Set<() => void>();
  const source: FileSource = {
    path: "meridian.yaml",
    read: () => (text === undefined
      ? Promise.reject(new RpcError("not_found", "there is no file meridian.yaml"))
      : Promise.resolve(text)),
    watch(changed) {
      told.add(changed);
      return () => void told.delete(changed);
    },
  };
  return {
    source,
    set: (next: string | undefined) => void (text = next),
    tell: () => [...told].forEach((changed) => changed()),
  };
}

/** Everything on hosts of a simulation; `delayMs` is what handlers take. */
export async function simulated(first: string, { seed = 1, delayMs = 0 } = {}) {
  const simulation = createSimulation({ seed, link: { latencyMs: 2 } });
  const events: Event[] = [];
  const event = (name: string, fields: Readonly<Record<string, unknown>>): void => void events.push([name, fields]);
  const observer = { event };
  const behaviour = { delayMs, fail: 0, calls: 0 };
  const serverRuntime = simulation.host("server");
  const handle = async ({ a, b }: z.infer<typeof pair>) => {
    behaviour.calls++;
    if (behaviour.fail > 0) {
      behaviour.fail--;
      throw new RpcError("unavailable", "not now", { retryable: true });
    }
    const { delayMs: ms } = behaviour;
    if (ms > 0) await new Promise<void>((resolve) => void serverRuntime.clock.after(ms, resolve));
    return { sum: a + b };
  };
  const server = createServerOn(serverRuntime, { region: "eu-west" });
  server.implement(Calculator, { add: handle, sub: handle });
  const run = <T>(body: Promise<T>): Promise<T> => simulation.runUntil(body, simulation.nowMs + 600_000);
  await run(server.listen({ host: "server", port: 1 }));
  const file = variableFile(first);
  const source = fileConfigSource(file.source);
  const last: { reading?: ConfigReading } = {};
  const read = async () => (last.reading = await source.read());
  const tls = () => ({ kind: "tls", protocols: [], offering: never });
  // What needs a disk is not to be had here; rules need none.
  const guard = (section: SecurityConfig, rules: AuthorisationRules) =>
    authOf(section, { jwt: never, apiKeys: never, auditLog: never, secret: never }, rules);
  const open = async (host: string): Promise<LiveConfig> => run(openConfigOn(
    { runtime: simulation.host(host), observer, environment: {}, tls, guard }, { ...source, read }));
  const through = (address: string) => createClientOn(simulation.host("caller"), Calculator, { address });
  return { last, simulation, events, behaviour, file, open, run, through, server };
}

function never(): never {
  throw new Error("no TLS here");
}
