// Callers: clients that call at their rates whatever comes back, by a schedule of their own, and write down everything.
import { type Discovery, endpointAddress, type EndpointAddress, type Picker, RpcError, type Runtime, type Watcher }
  from "../../src/core/index.ts";
import { createClientOn, type ClientOf } from "../../src/client/index.ts";
import { snapshotCache } from "../../src/discovery/index.ts";
import { registry } from "../../src/registry/index.ts";
import { createFileStore, nodeCompressions, nodeRuntime } from "../../src/runtime/node/index.ts";
import { withDistance } from "../../src/runtime/sim/distance.ts";
import {
  type CrowdClient, type CrowdReport, type End, type FromCrowd, Ledger, type Method, type ToCrowd,
} from "./ledger.ts";
import { machineMs } from "./messages.ts";

const tell = (message: FromCrowd): void => void process.send?.(message);
const tickMs = 2;
const methods: readonly Method[] = ["read", "pay", "list", "add"];
/** After a stop of this process, what was due before this is not made up for. */
const mostBehindMs = 250;

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };

let running: Crowd | undefined;
process.on("message", (message: ToCrowd) => void heard(message));
process.on("disconnect", () => process.exit());
tell({ kind: "started" });

async function heard(message: ToCrowd): Promise<void> {
  switch (message.kind) {
    case "begin":
      running = new Crowd(message.clients);
      tell({ kind: "calling", ready: await running.begin(message.readyWithinMs ?? 20_000) });
      break;
    case "rate":
      if (running !== undefined) running.factor = message.factor;
      tell({ kind: "rated" });
      break;
    case "push":
      running?.push(message.addresses);
      tell({ kind: "pushed" });
      break;
    case "end": {
      const report = await running?.end();
      running = undefined;
      if (report !== undefined) tell({ kind: "report", ...report });
    }
  }
}

interface Caller {
  readonly index: number;
  readonly client: ClientOf<typeof Ledger>;
  readonly methods: readonly Method[];
  readonly name: string;
  readonly perSecond: number;
  readonly expected: number;
  dueMs: number;
  number: number;
}

/** What discovery tells is passed on until something else is pushed. */
interface Pushed extends Discovery {
  push(endpoints: readonly EndpointAddress[]): void;
}

class Crowd {
  factor = 1;
  readonly #report: Mutable<CrowdReport> & {
    errors: Record<string, number>; events: Record<string, number>; skipped: number;
  };
  readonly #callers: readonly Caller[];
  readonly #numbers = new Map<string, number>();
  readonly #underWay = new Set<Promise<void>>();
  readonly #pushed: Pushed[] = [];
  readonly #closers: (() => Promise<void>)[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(clients: readonly CrowdClient[]) {
    this.#report = {
      clients: clients.map(({ name }) => name), methods: [...methods], servers: [],
      calls: [], picks: [], changes: [], errors: {}, events: {}, stalls: [], skipped: 0,
    };
    this.#callers = clients.map((settings, index) => ({
      index, client: this.#client(settings, index), methods: settings.methods ?? ["read"], name: settings.name,
      perSecond: settings.perSecond, expected: settings.servers?.length ?? 1, dueMs: 0, number: 0,
    }));
  }

  /** Begins to call when everybody is connected, or the time is up; answers how many connections there are. */
  async begin(withinMs: number): Promise<number> {
    const ready = (): number[] => this.#callers.map(({ client }) =>
      client.$.endpoints().filter(({ status }) => status === "ready").length);
    for (const untilMs = machineMs() + withinMs; machineMs() < untilMs;) {
      if (ready().every((count, i) => count >= (this.#callers[i]?.expected ?? 0))) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const nowMs = machineMs();
    for (const caller of this.#callers) caller.dueMs = nowMs;
    let tickedMs = nowMs;
    this.#timer = setInterval(() => {
      const lateMs = machineMs() - tickedMs - tickMs;
      tickedMs = machineMs();
      if (lateMs > 20) this.#report.stalls.push([tickedMs, lateMs]);
      for (const caller of this.#callers) this.#tick(caller, tickedMs);
    }, tickMs);
    return ready().reduce((sum, count) => sum + count, 0);
  }

  push(addresses: readonly string[]): void {
    for (const one of this.#pushed) one.push(addresses.map((address) => endpointAddress({ address })));
  }

  async end(): Promise<CrowdReport> {
    clearInterval(this.#timer);
    await Promise.all(this.#underWay);
    for (const { client } of this.#callers) client.$.close(0);
    await Promise.all(this.#closers.map((close) => close()));
    return { ...this.#report, servers: [...this.#numbers.keys()] };
  }

  /** Calls that know nothing of each other: the time to the next is exponential. */
  #tick(caller: Caller, nowMs: number): void {
    const behindMs = nowMs - mostBehindMs;
    const gapMs = (): number => -Math.log(1 - Math.random()) * 1_000 / (caller.perSecond * this.factor);
    while (caller.dueMs <= nowMs) {
      if (caller.dueMs < behindMs) {
        this.#report.skipped++;
      } else {
        const call = this.#call(caller, caller.number++, caller.dueMs).finally(() => this.#underWay.delete(call));
        this.#underWay.add(call);
      }
      caller.dueMs += gapMs();
    }
  }

  async #call({ index, client, methods: mine, name }: Caller, number: number, dueMs: number): Promise<void> {
    const method = mine[number % mine.length] ?? "read";
    let end: End = 0;
    try {
      await (method === "add" ? client.add({ id: `${name} ${number}` }) : client[method]({}));
    } catch (thrown) {
      const error = RpcError.from(thrown);
      end = error.neverStarted ? 1 : 2;
      const kind = `${error.code}: ${error.message.replaceAll(/\d+/g, "N").slice(0, 160)}`;
      if (Object.keys(this.#report.errors).length < 30 || kind in this.#report.errors) {
        this.#report.errors[kind] = (this.#report.errors[kind] ?? 0) + 1;
      }
    }
    const tookMs = Math.round((machineMs() - dueMs) * 100) / 100;
    this.#report.calls.push([index, number, methods.indexOf(method), Math.round(dueMs * 10) / 10, tookMs, end]);
  }

  #client(settings: CrowdClient, index: number): ClientOf<typeof Ledger> {
    const { region, regions, servers, timeoutMs = 1_000, oneWayMs } = settings;
    const regionOf = new Map(servers?.map((one) => [one.address, one.region ?? ""]));
    const runtime: Runtime = oneWayMs === undefined ? nodeRuntime : {
      ...nodeRuntime, network: withDistance(nodeRuntime.network, nodeRuntime.clock,
        (address) => oneWayMs[regionOf.get(address) ?? ""] ?? 0),
    };
    return createClientOn(runtime, Ledger, {
      ...(servers === undefined ? this.#discovered(settings) : { address: servers }),
      region, regions, timeoutMs, compressions: nodeCompressions,
      routing: (makePicker) => this.#recording(index, makePicker()),
      observer: {
        endpointChanged: (endpoint, status, why) => void this.#report.changes.push({
          atMs: machineMs(), server: this.#numberOf(endpoint.id), status, why,
        }),
        event: (name) => {
          this.#report.events[name] = (this.#report.events[name] ?? 0) + 1;
        },
      },
    });
  }

  #discovered({ registry: address = "", cachePath }: CrowdClient) {
    const cache = cachePath === undefined ? undefined : snapshotCache(nodeRuntime, createFileStore(cachePath));
    if (cache !== undefined) this.#closers.push(() => cache.close());
    const discovery = pushed(registry(address));
    this.#pushed.push(discovery);
    return { discovery, view: cache === undefined ? undefined : { cache } };
  }

  #numberOf(id: string): number {
    const known = this.#numbers.get(id);
    if (known !== undefined) return known;
    const number = this.#numbers.size;
    this.#numbers.set(id, number);
    return number;
  }

  #recording(index: number, inner: Picker): Picker {
    const pick: Picker = (candidates, context) => {
      const picked = inner(candidates, context);
      if (picked !== undefined) {
        this.#report.picks.push([index, Math.round(machineMs() * 10) / 10, this.#numberOf(picked.address.id)]);
      }
      return picked;
    };
    return Object.assign(pick, { seesAll: inner.seesAll ?? false });
  }
}

function pushed(inner: Discovery): Pushed {
  const watchers = new Set<Watcher>();
  let told: readonly EndpointAddress[] | undefined;
  return {
    push(endpoints) {
      told = endpoints;
      for (const watcher of watchers) watcher.snapshot(endpoints);
    },
    watch(name, watcher) {
      watchers.add(watcher);
      const stop = inner.watch(name, {
        snapshot(endpoints) {
          if (told === undefined) watcher.snapshot(endpoints);
        },
        failed: (error) => watcher.failed?.(error),
      });
      return () => {
        watchers.delete(watcher);
        stop();
      };
    },
  };
}
