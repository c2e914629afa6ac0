// Discovery at scale: what a change of membership costs as endpoints and clients grow.
//
// The embedded registry, its driver and the whole view of a client (coalescing, subset of 20, guard) run unchanged on
// the simulated network. One per cent of the endpoints is replaced each second. Counted are the bytes that all clients
// receive, the processor time of everything (registry, network and clients together, in one process), and how long it
// takes until a client's complete set has a change. Told per change: one endpoint that comes or goes.
import type { Discovery, Registration, Runtime } from "../src/core/index.ts";
import { createClientOn } from "../src/client/index.ts";
import { coalescedDiscovery, discoveryView } from "../src/discovery/index.ts";
import { connectRegistry, hostRegistryOn, type RegistryClient, RegistryContract } from "../src/registry/index.ts";
import { createSimulation, type Simulation } from "../src/runtime/sim/index.ts";
import { curve, numberAfter } from "./frame/curves.ts";
import { type Experiment, growthOf, meanOf, quantile, type Row, type RunOptions } from "./frame/rows.ts";

const name = "scale.v1.Service";
const registryAddress = "registry:7000";
/** Of the endpoints, each second. */
const churn = 0.01;
const churnSeconds = 3;
/** Clients whose complete sets are looked at for the time to converge. */
const sampled = 10;
/** Servers that share a process, and so a connection to the registry. */
const perProcess = 100;

/** `changes`: ours. `complete`: the same registry asked for complete sets, as before it could tell changes. */
type Policy = "changes" | "complete";

interface Figures {
  readonly bytes: number;
  readonly cpuMs: number;
  readonly convergeP50Ms: number;
  readonly convergeP99Ms: number;
  /** Members of a client's subset that changed, per second. */
  readonly moved: number;
}

export const experiment: Experiment = {
  about: "bytes, processor time and time to converge per change, for growing sets and numbers of clients",
  seeds: 3,
  // Ten million endpoints are held at the largest size: each client has its own, as it would elsewhere.
  heapMb: 8_192,
  async *run(options) {
    // Compiled code is what a long life runs.
    const quiet = { ...options, progress: () => undefined };
    await measure(quiet, { endpoints: 2_000, clients: 20, seed: 0, policy: "changes" });
    yield* growth(options, "endpoints", [1_250, 2_500, 5_000, 10_000].map((n) => [n, 50]));
    yield* growth(options, "clients", [125, 250, 500, 1_000].map((clients) => [1_000, clients]));
    yield* beside(options);
    yield* size({ ...options, seeds: options.seeds.slice(0, 1) }, 10_000, 1_000);
  },
  plots: (rows) => ({
    "": (["endpoints", "clients"] as const).flatMap((what) => [
      ["bytes per change", "bytes of a change, all clients together"],
      ["ms to converge, p50", "ms until all know of a change, p50"],
    ].map(([figure, label]) => curve(rows, {
      title: `What a change costs as ${what} grow`, policies: ["changes"], x: { label: what, from: 0 },
      y: { label: label as string },
      at: ({ case: of, unit }) => {
        const [endpoints, clients] = [numberAfter("^", of), numberAfter("endpoints,", of)];
        if (unit !== figure || endpoints === undefined || clients === undefined) return undefined;
        if (what === "endpoints") return clients === 50 ? endpoints : undefined;
        return endpoints === 1_000 ? clients : undefined;
      },
    }))),
  }),
};

/** Figures at each size, and how fast they grow. */
async function* growth(
  options: RunOptions, what: "endpoints" | "clients", sizes: readonly (readonly [number, number])[],
): AsyncGenerator<Row> {
  const bySeed: Figures[][] = options.seeds.map(() => []);
  for (const [endpoints, clients] of sizes) {
    for (const [index, seed] of options.seeds.entries()) {
      bySeed[index]?.push(await measure(options, { endpoints, clients, seed, policy: "changes" }));
    }
    const figures = bySeed.map((all) => all.at(-1) as Figures);
    yield* rowsOf(`${endpoints} endpoints, ${clients} clients`, "changes", figures);
  }
  const xs = sizes.map(([endpoints, clients]) => (what === "endpoints" ? endpoints : clients));
  const slopes = (pick: (figures: Figures) => number): number[] =>
    bySeed.map((all) => growthOf(all.map((figures, i) => [xs[i] as number, pick(figures)])));
  const row = (of: string, values: readonly number[]): Row => goalRow({
    case: `growing ${what}`, policy: "changes", values, unit: `exponent of ${of}`, most: 1.1, published: null,
  });
  yield row("bytes per change", slopes((one) => one.bytes));
  yield row("CPU per change", slopes((one) => one.cpuMs));
  yield row("time to converge", slopes((one) => one.convergeP50Ms));
}

/** The same small world with complete sets: why changes are told. */
async function* beside(options: RunOptions): AsyncGenerator<Row> {
  for (const policy of ["complete", "changes"] as const) {
    const figures: Figures[] = [];
    for (const seed of options.seeds.slice(0, 1)) {
      figures.push(await measure(options, { endpoints: 5_000, clients: 20, seed, policy }));
    }
    yield* rowsOf("5000 endpoints, 20 clients", policy, figures);
  }
}

async function* size(options: RunOptions, endpoints: number, clients: number): AsyncGenerator<Row> {
  const figures: Figures[] = [];
  for (const seed of options.seeds) {
    figures.push(await measure(options, { endpoints, clients, seed, policy: "changes" }));
  }
  const of = `${endpoints} endpoints, ${clients} clients`;
  yield* rowsOf(of, "changes", figures);
  yield goalRow({
    case: of, policy: "changes", values: figures.map((one) => one.convergeP99Ms), unit: "ms to converge, p99",
    most: 2_000, published: null,
  });
}

function* rowsOf(of: string, policy: string, figures: readonly Figures[]): Generator<Row> {
  const row = (unit: string, pick: (one: Figures) => number): Row => ({
    experiment: "discovery-scale", case: of, policy, seeds: figures.length, ...meanOf(figures.map(pick)), unit,
    published: null, goal: null, met: null,
  });
  yield row("bytes per change", (one) => one.bytes);
  yield row("CPU ms per change", (one) => one.cpuMs);
  yield row("ms to converge, p50", (one) => one.convergeP50Ms);
  yield row("subset members moved per s", (one) => one.moved);
}

function goalRow(
  { most, values, ...row }: Pick<Row, "case" | "policy" | "unit" | "published"> &
    { readonly values: readonly number[]; readonly most: number },
): Row {
  const mean = meanOf(values);
  const [goal, met] = [`at most ${most}`, mean.value <= most];
  return { experiment: "discovery-scale", seeds: values.length, ...row, ...mean, goal, met };
}

interface Size {
  readonly endpoints: number;
  readonly clients: number;
  readonly seed: number;
  readonly policy: Policy;
}

async function measure(options: RunOptions, { endpoints, clients, seed, policy }: Size): Promise<Figures> {
  const startedMs = performance.now();
  const simulation = createSimulation({ seed, link: { latencyMs: 0.5, jitterMs: 0.5 } });
  await simulation.runUntil(
    hostRegistryOn(simulation.host("registry"), { host: "registry", port: 7000, settleMs: 0 }), 1_000);
  const servers = await startServers(simulation, endpoints);
  const counter = { bytes: 0, moved: 0 };
  const changes = new Changes();
  const complete = startClients(simulation, { clients, policy, counter, changes });
  await simulation.runUntil(() => complete() === clients, simulation.nowMs + 600_000);
  // Let what came meanwhile settle, so that what is counted is the churn's.
  await simulation.run(simulation.nowMs + 2_000);
  const before = { bytes: counter.bytes, moved: counter.moved, cpu: process.cpuUsage() };
  const count = servers.churn(churnSeconds, changes);
  await simulation.run(simulation.nowMs + churnSeconds * 1_000 + 2_000);
  const cpu = process.cpuUsage(before.cpu);
  const missing = changes.delaysMs.length / (count * sampled);
  if (missing < 1) throw new Error(`only ${Math.round(missing * 100)} % of the changes arrived`);
  options.progress(`${endpoints} endpoints, ${clients} clients, seed ${seed}, ${policy}: ${count} changes in ` +
    `${((performance.now() - startedMs) / 1_000).toFixed(1)} s`);
  return {
    bytes: (counter.bytes - before.bytes) / count, cpuMs: (cpu.user + cpu.system) / 1_000 / count,
    convergeP50Ms: quantile(changes.delaysMs, 0.5), convergeP99Ms: quantile(changes.delaysMs, 0.99),
    moved: (counter.moved - before.moved) / churnSeconds / clients,
  };
}

/** When which endpoint came or went, and how long after that a client's set had it so. */
class Changes {
  readonly #open = new Map<string, { readonly atMs: number; readonly isListed: boolean; left: number }>();
  readonly delaysMs: number[] = [];

  add(id: string, isListed: boolean, atMs: number): void {
    this.#open.set(id, { atMs, isListed, left: sampled });
  }

  /** Called for each complete set that one of the sampled clients was told. `seen` is that client's own. */
  look(ids: ReadonlySet<string>, seen: Set<string>, nowMs: number): void {
    for (const [id, change] of this.#open) {
      if (ids.has(id) !== change.isListed || seen.has(id)) continue;
      seen.add(id);
      this.delaysMs.push(nowMs - change.atMs);
      if (--change.left === 0) this.#open.delete(id);
    }
  }
}

interface Servers {
  /** Replaces servers evenly over so many seconds; returns how many changes that makes. */
  churn(seconds: number, changes: Changes): number;
}

async function startServers(simulation: Simulation, count: number): Promise<Servers> {
  const processes = Array.from({ length: Math.ceil(count / perProcess) }, (_, i): RegistryClient =>
    connectRegistry(simulation.host(`servers-${i}`), { address: registryAddress }));
  let made = 0;
  const regions = ["eu", "us", "asia"];
  const start = (): { readonly id: string; readonly registration: Registration } => {
    const index = made++;
    const id = `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}:7001`;
    const process = processes[index % processes.length] as RegistryClient;
    const region = regions[index % regions.length] as string;
    return { id, registration: process.register(name, { address: id, region, zone: "a" }) };
  };
  const running = Array.from({ length: count }, start);
  const all = Promise.all(running.map(({ registration }) => registration.registered));
  await simulation.runUntil(all, simulation.nowMs + 60_000);
  return {
    churn(seconds, changes) {
      const replaced = Math.max(1, Math.round(count * churn * seconds));
      for (let i = 0; i < replaced; i++) {
        simulation.at(simulation.nowMs + (i + simulation.random.next()) * seconds * 1_000 / replaced, () => {
          const [old] = running.splice(Math.floor(simulation.random.next() * running.length), 1);
          // Those that are new stay, or what came and went at once would have been seen by nobody.
          changes.add(start().id, true, simulation.nowMs);
          if (old === undefined) return;
          changes.add(old.id, false, simulation.nowMs);
          void old.registration.close();
        });
      }
      return replaced * 2;
    },
  };
}

interface ClientsOptions {
  readonly clients: number;
  readonly policy: Policy;
  readonly counter: { bytes: number; moved: number };
  readonly changes: Changes;
}

/** Starts clients; the function returned tells how many have a set. */
function startClients(simulation: Simulation, { clients, policy, counter, changes }: ClientsOptions): () => number {
  let ready = 0;
  const start = (index: number): void => {
    const runtime = counting(simulation.host(`client-${index}`), counter);
    const source = policy === "changes"
      ? connectRegistry(runtime, { address: registryAddress })
      : completeSets(runtime);
    const coalesced = coalescedDiscovery(runtime, source);
    const view = discoveryView(runtime, index < sampled ? looking(coalesced, runtime, changes) : coalesced, {
      coalesceMs: 0, subset: { clientId: `client-${index}` }, guard: { probe: () => Promise.resolve() },
    });
    let members: ReadonlySet<string> | undefined;
    view.watch(name, {
      snapshot(endpoints) {
        if (members === undefined) ready++;
        const now = new Set(endpoints.map(({ id }) => id));
        for (const id of now) if (members?.has(id) === false) counter.moved++;
        members = now;
      },
    });
  };
  // One after the other, as they would be deployed: a first set is large.
  for (let i = 0; i < clients; i++) simulation.at(simulation.nowMs + i * 10, () => start(i));
  return () => ready;
}

function looking(discovery: Discovery, { clock }: Runtime, changes: Changes): Discovery {
  const seen = new Set<string>();
  return {
    watch: (name, watcher) => discovery.watch(name, {
      snapshot(endpoints) {
        changes.look(new Set(endpoints.map(({ id }) => id)), seen, clock.now());
        watcher.snapshot(endpoints);
      },
    }),
  };
}

/** The same host, but that what its connections receive is counted. */
function counting(runtime: Runtime, counter: { bytes: number }): Runtime {
  return {
    ...runtime,
    network: {
      ...runtime.network,
      connect: (address, sink, security) => runtime.network.connect(address, {
        opened: () => sink.opened?.(),
        received(bytes) {
          counter.bytes += bytes.length;
          sink.received(bytes);
        },
        drained: () => sink.drained?.(),
        closed: (error) => sink.closed(error),
      }, security),
    },
  };
}

/** A driver that takes complete sets only. */
function completeSets(runtime: Runtime): Discovery {
  const client = createClientOn(runtime, RegistryContract, { address: registryAddress });
  return {
    watch(name, watcher) {
      const stop = new AbortController();
      const read = async (): Promise<void> => {
        let endpoints: Parameters<typeof watcher.snapshot>[0][number][] = [];
        for await (const part of client.watch({ name, keepaliveMs: 2_000 }, { signal: stop.signal })) {
          if (part.unchanged) continue;
          endpoints.push(...part.endpoints);
          if (part.more) continue;
          watcher.snapshot(endpoints);
          endpoints = [];
        }
      };
      read().catch(() => undefined);
      return () => stop.abort();
    },
  };
}
