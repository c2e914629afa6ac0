/** `runRehearsal` plays a rehearsal once: production clients and servers in a world of its regions and events. */
import { createClientOn } from "../client/create-client.ts";
import { service as contractOf } from "../contract/service.ts";
import { rpc } from "../contract/rpc.ts";
import type { AnyType } from "../contract/standard.ts";
import type { Context } from "../core/context.ts";
import type { Discovery } from "../core/discovery.ts";
import { RpcError } from "../core/error.ts";
import type { Observer } from "../core/observer.ts";
import type { Runtime } from "../core/runtime.ts";
import { regionControl, type RegionControl } from "../region/index.ts";
import { Figures } from "./figures.ts";
import type { EventAction } from "./rehearsal-events.ts";
import type { ClientPlan, RehearsalPlan, ServicePlan } from "./rehearsal-file.ts";
import { clientOptions, type ClientPolicies, serverOptions } from "./rehearsal-policies.ts";
import { attemptGrainMs, createRecord, type RehearsalCell, type RehearsalRecord } from "./rehearsal-record.ts";
import { type HandlerPlace, type SimulatedServer, simulatedServer } from "./server.ts";
import { openLoop, type Rate } from "./workload.ts";
import { createWorld, type Progress, type SimulatedWorld } from "./world.ts";

/** How long the registry lists a server that died, and how long news of it travel. */
const registry = { leaseMs: 10_000, delayMs: 50 };
/** Steps between two tellings. */
const tellEveryMs = 1_000;

export interface RehearsalRunOptions {
  readonly seed: number;
  /** Hears how far it is, each simulated second. Throws to stop it. */
  readonly tell?: ((progress: Progress) => void) | undefined;
}

/** What servers answer: who they are. */
interface Served {
  readonly region: string;
}

const anything: AnyType = {
  "~standard": { version: 1, vendor: "meridian", validate: (value: unknown) => ({ value }) },
};

function contractFor({ name, idempotent }: ServicePlan) {
  return contractOf(`rehearsal.${name.replaceAll(/\W/g, "_")}`, {
    call: rpc({ input: anything, output: anything, idempotent }),
  });
}

type Contract = ReturnType<typeof contractFor>;
type CallService = (context: Context | undefined, routeKey?: string) => Promise<unknown>;

/** Everything a run is made of. */
interface Stage {
  readonly plan: RehearsalPlan;
  readonly world: SimulatedWorld;
  readonly discovery: Discovery;
  readonly control: RegionControl;
  readonly contracts: ReadonlyMap<string, Contract>;
  readonly record: RehearsalRecord;
  readonly servers: SimulatedServer[];
}

export async function runRehearsal(plan: RehearsalPlan, options: RehearsalRunOptions): Promise<RehearsalRecord> {
  const { seed, tell } = options;
  const latencyMs = plan.localRoundTripMs / 2;
  const world = createWorld({ seed, link: { latencyMs, jitterMs: latencyMs * plan.jitter }, discovery: registry });
  for (const [left, right, ms] of plan.roundTrips) {
    world.link(left, right, { latencyMs: ms / 2, jitterMs: ms / 2 * plan.jitter });
  }
  const stage: Stage = {
    plan, world, control: regionControl(), servers: [],
    // As a registry's, not as a list that somebody wrote on purpose: what it tells is held against what answers.
    discovery: { watch: (name, watcher) => world.discovery.watch(name, watcher) },
    contracts: new Map([...plan.services.values()].map((one) => [one.name, contractFor(one)])),
    record: createRecord(seed, plan.durationMs, plan.regions.keys()),
  };
  for (const one of plan.services.values()) stand(stage, one);
  for (const one of plan.clients.values()) load(stage, one);
  const actor = createActor(stage);
  for (const { atMs, action } of plan.events) world.at(atMs, () => actor(action));
  measureUtilisation(stage);
  const longestMs = Math.max(0, ...[...plan.clients.values()].map(({ timeoutMs }) => timeoutMs));
  await world.runTelling(plan.durationMs + longestMs + 1_000, tellEveryMs, (progress) => tell?.(progress));
  stage.record.digest = world.digest;
  stage.record.events = world.events;
  return stage.record;
}

/** Puts up the servers of a service. */
function stand(stage: Stage, plan: ServicePlan): void {
  const { world, contracts, servers } = stage;
  const policies = serverOptions(plan.policies);
  for (const [region, count] of plan.servers) {
    const zones = stage.plan.regions.get(region)?.zones ?? ["a"];
    for (let i = 0; i < count; i++) {
      const downstream = plan.calls.map(({ service, times }) =>
        ({ times, call: callerWithin(stage, plan, region, service) }));
      const answer: Served = { region };
      servers.push(simulatedServer(world, contracts.get(plan.name) as Contract, {
        ...policies,
        host: `${plan.name}-${region}-${i + 1}`, region, zone: zones[i % zones.length], workers: plan.workers,
        work: plan.work,
        handlers: {
          call: downstream.length === 0
            ? (_request: never, context: Context, place: HandlerPlace) => place.work(context).then(() => answer)
            : async (_request: never, context: Context, place: HandlerPlace) => {
              for (const { times, call } of downstream) {
                for (let n = 0; n < times; n++) await call(place.runtime, context);
              }
              await place.work(context);
              return answer;
            },
        },
      }));
    }
  }
}

/** Calls another service from within a server: a client for each life of its program. */
function callerWithin(
  stage: Stage, { clientPolicies }: ServicePlan, region: string, service: string,
): (runtime: Runtime, context: Context) => Promise<unknown> {
  let [runtime, call]: [Runtime | undefined, CallService | undefined] = [undefined, undefined];
  return (present, context) => {
    if (present !== runtime || call === undefined) {
      runtime = present;
      call = callerOf(stage, present, { region, service, policies: clientPolicies });
    }
    return call(context, context.routeKey);
  };
}

interface CallerPlan {
  readonly region: string;
  readonly service: string;
  readonly policies: NonNullable<ClientPolicies>;
  readonly timeoutMs?: number;
  readonly observer?: Observer;
}

function callerOf(stage: Stage, runtime: Runtime, plan: CallerPlan): CallService {
  const { region, service, policies, timeoutMs, observer } = plan;
  const { regions, ...options } = clientOptions(runtime, region, policies);
  const client = createClientOn(runtime, stage.contracts.get(service) as Contract, {
    ...options, protocol: stage.world.wire, discovery: stage.discovery, timeoutMs, observer,
    regions: regions && { ...regions, control: stage.control },
  });
  return (context, routeKey) => (context === undefined && routeKey === undefined
    ? client.call({})
    : client.call({}, { context, routeKey }));
}

/** Draws the keys that calls are about: evenly, or by Zipf's law. */
function keysOf({ name, keys }: ClientPlan, world: SimulatedWorld): () => string | undefined {
  if (keys === undefined) return () => undefined;
  const { count, zipf: exponent } = keys;
  const random = world.chance(`keys of ${name}`);
  if (exponent === 0) return () => `key-${Math.floor(random.next() * count)}`;
  const sums = new Float64Array(count);
  let sum = 0;
  for (let rank = 0; rank < count; rank++) sums[rank] = sum += (rank + 1) ** -exponent;
  return () => {
    const drawn = random.next() * sum;
    let [least, most] = [0, count - 1];
    while (least < most) {
      const middle = (least + most) >> 1;
      if ((sums[middle] as number) < drawn) least = middle + 1;
      else most = middle;
    }
    return `key-${least}`;
  };
}

/** Lets the processes of a client call. */
function load(stage: Stage, plan: ClientPlan): void {
  const { world, record } = stage;
  const { durationMs, warmUpMs } = stage.plan;
  const cells = record.cells.get(plan.region) as readonly RehearsalCell[];
  const observer: Observer = {
    attemptEnded({ startedMs }) {
      const bin = Math.floor(startedMs / attemptGrainMs);
      if (bin < record.attempts.length) record.attempts[bin] = (record.attempts[bin] as number) + 1;
    },
  };
  const rate = rateOf(plan, stage.plan);
  const nextKey = keysOf(plan, world);
  // One for all: what it keeps is not read.
  const figures = new Figures({ bucketMs: 86_400_000 });
  for (let i = 0; i < plan.processes; i++) {
    const host = `client-${plan.name}-${i + 1}`;
    const zones = stage.plan.regions.get(plan.region)?.zones ?? ["a"];
    const runtime = world.host(host, { region: plan.region, zone: zones[i % zones.length] as string });
    const call = callerOf(stage, runtime, { ...plan, observer });
    openLoop(world, {
      name: host, rate, untilMs: durationMs - 1e-6, figures,
      call(_index, dueMs) {
        const bin = Math.floor(dueMs / attemptGrainMs);
        record.calls[bin] = (record.calls[bin] as number) + 1;
        const key = nextKey();
        if (dueMs < warmUpMs) return call(undefined, key).catch(() => undefined);
        const cell = cells[Math.floor(dueMs / record.spanMs)] as RehearsalCell;
        cell.offered++;
        return call(undefined, key).then(
          (answer) => succeeded(cell, world.nowMs - dueMs, answer as Served),
          (error: unknown) => failed(cell, plan.timeoutMs, error),
        );
      },
    });
  }
}

function succeeded(cell: RehearsalCell, latencyMs: number, { region }: Served): void {
  cell.good++;
  cell.latency.record(latencyMs);
  cell.servedIn.set(region, (cell.servedIn.get(region) ?? 0) + 1);
}

function failed(cell: RehearsalCell, timeoutMs: number, error: unknown): void {
  const { code } = RpcError.from(error);
  cell.failed++;
  cell.latency.record(timeoutMs);
  cell.codes.set(code, (cell.codes.get(code) ?? 0) + 1);
}

/** Calls a second of one process of a client, its surges included. */
function rateOf({ name, rate, processes }: ClientPlan, { events }: RehearsalPlan): Rate {
  const surges = events.flatMap(({ atMs, action }) =>
    (action.kind === "surge" && action.client === name && action.factor !== 1
      ? [{ fromMs: atMs, untilMs: action.untilMs, factor: action.factor }]
      : []));
  const own = rate / processes;
  return {
    most: surges.reduce((most, { factor }) => most * Math.max(1, factor), own),
    at: (ms) => surges.reduce((now, { fromMs, untilMs, factor }) =>
      (ms >= fromMs && ms < untilMs ? now * factor : now), own),
  };
}

/** Writes down at the end of each span how busy each region's servers were in it. */
function measureUtilisation({ world, servers, record, plan }: Stage): void {
  const byRegion = Map.groupBy(servers, ({ region }) => region);
  for (const [region, its] of byRegion) {
    const out = record.utilisation.get(region) as Float64Array;
    const workers = its.reduce((sum, { options }) => sum + (options.workers ?? 1), 0);
    const busyMs = (): number => its.reduce((sum, { figures }) => sum + figures.busyMs, 0);
    let before = 0;
    for (let span = 0; span < record.spans; span++) {
      world.at(Math.min(plan.durationMs, (span + 1) * record.spanMs), () => {
        const now = busyMs();
        out[span] = (now - before) / record.spanMs / workers;
        before = now;
      });
    }
  }
}

/** What makes events happen. */
function createActor({ world, servers, control, plan, contracts }: Stage): (action: EventAction) => void {
  const dead = new Set<SimulatedServer>();
  const cuts: (readonly [left: string, right: string])[] = [];
  const at = (target: string): SimulatedServer[] => servers.filter(({ region, host, options: { zone } }) =>
    target === region || target === host || target === `${region}/${zone}`);
  const alive = (target: string): SimulatedServer[] => at(target).filter((server) => !dead.has(server));
  const restore = (target: string): void => {
    for (const server of at(target)) {
      if (dead.delete(server)) server.restart();
      server.setSpeed(1);
      server.setErrors(0);
    }
    control.undrain(target);
    for (const [left, right] of cuts) if (left === target || right === target) world.heal(left, right);
  };
  return (action) => {
    world.trace(`${action.kind} ${"target" in action ? action.target : ""}`);
    switch (action.kind) {
      case "kill":
        for (const server of alive(action.target)) {
          dead.add(server);
          server.crash({ isSilent: action.isSilent });
        }
        return;
      case "restore": return restore(action.target);
      case "slow": return alive(action.target).forEach((server) => server.setSpeed(1 / action.factor));
      case "errors":
        return alive(action.target).forEach((server) => server.setErrors(action.share, { fast: action.isFast }));
      case "stall": return alive(action.target).forEach((server) => server.stall(action.forMs));
      case "drain": return control.drain(action.target);
      case "partition":
        cuts.push([action.left, action.right]);
        return world.partition(action.left, action.right, { isOneWay: action.isOneWay });
      case "heal": return world.heal(action.left, action.right);
      case "link": {
        const { left, right, loss, delayMs } = action;
        const [, , ms] = plan.roundTrips.find(([a, b]) =>
          (a === left && b === right) || (a === right && b === left)) ?? ["", "", plan.localRoundTripMs];
        return world.link(left, right, { lossRate: loss, latencyMs: ms / 2 + delayMs });
      }
      case "registry":
        if (action.what === "stop") world.discovery.stop();
        else if (action.what === "resume") world.discovery.resume();
        else for (const { name } of contracts.values()) world.discovery.push(name, []);
        return;
      // The rate knows.
      case "surge": return undefined;
    }
  };
}
