/**
 * The swarm's world: regions of servers over one database, clients that read and count, faults, and the checkers.
 *
 * Three methods: `read` (idempotent), `add` (keyed: each call counts once, however often it is tried) and `bump` (not
 * idempotent: never tried twice once it may have run). The database is one atomic store that outlives its servers, so
 * that whatever is lost, doubled or out of order was so by the way of the calls.
 */
import * as z from "zod";
import { type ClientOptions, createClientOn } from "../client/create-client.ts";
import { rpc } from "../contract/rpc.ts";
import { service } from "../contract/service.ts";
import type { Context } from "../core/context.ts";
import { expected, RpcError } from "../core/error.ts";
import { automaticKey } from "../core/idempotency-key.ts";
import type { Layer, Stack } from "../core/service.ts";
import type { Observer } from "../core/observer.ts";
import type { Runtime } from "../core/runtime.ts";
import { admission } from "../overload/index.ts";
import { memoryReplayStore, type MemoryReplayStore, replay, type Replay } from "../replay/index.ts";
import { createServerOn } from "../server/index.ts";
import { checkEffects } from "./check-effects.ts";
import { checkLinearizable, counterModel, type Operation } from "./check-linearizable.ts";
import { checkSessions, type SessionOperation } from "./check-sessions.ts";
import { type AttemptRecord, checkAmplification, checkDeadlines, checkRecovery } from "./check-traffic.ts";
import type { CallRecord, EffectRecord, Verdict } from "./checkers.ts";
import { faultyRuntime } from "./faulty-runtime.ts";
import { constant } from "./distributions.ts";
import { pickerNamed } from "./rehearsal-pickers.ts";
import { limitNamed } from "./rehearsal-server-policies.ts";
import { type ModelledHandler, simulatedServer } from "./server.ts";
import type { SwarmRun, SwarmScenario } from "./swarm.ts";
import { type FaultStage, lyingDiscovery, playFault, type Span } from "./swarm-faults.ts";
import {
  clientHosts, describeSetup, drawSetup, serverHosts, simplerSetups, type SwarmPolicies, type SwarmSetup,
} from "./swarm-setup.ts";
import { createWorld, type SimulatedWorld } from "./world.ts";

/** The scenario that `meridian swarm` runs. */
export const defaultSwarm: SwarmScenario<SwarmSetup> = {
  name: "calls", draw: drawSetup, run: runSetup, simpler: simplerSetups, describe: describeSetup,
};

/**
 * The same with a policy broken on purpose: every attempt of a call has a key of its own. Many of its seeds must fail:
 * if they hold, the checkers see nothing.
 */
export const canarySwarm: SwarmScenario<SwarmSetup> = {
  ...defaultSwarm,
  name: "canary",
  draw(seed) {
    const setup = drawSetup(seed);
    return { ...setup, policies: { ...setup.policies, retry: true, sabotage: "key per attempt" } };
  },
};

export const Counters = service("swarm.Counters", {
  read: rpc({
    input: z.object({ object: z.string(), call: z.string() }), output: z.object({ total: z.int32(), at: z.string() }),
    idempotent: true, routeKey: ({ object }) => object,
  }),
  add: rpc({
    input: z.object({ object: z.string(), call: z.string() }), output: z.object({ total: z.int32(), at: z.string() }),
    idempotent: "keyed", routeKey: ({ object }) => object,
  }),
  bump: rpc({
    input: z.object({ object: z.string(), call: z.string() }), output: z.object({ total: z.int32(), at: z.string() }),
    routeKey: ({ object }) => object,
  }),
});

interface Request {
  readonly object: string;
  /** The call's own name, by which its effect is known. */
  readonly call: string;
}

interface Reply {
  readonly total: number;
  /** Who answered. */
  readonly at: string;
}

type MethodName = "read" | "add" | "bump";

const objects = ["a", "b", "c", "d", "e", "f", "g", "h"];

/** What all servers share. */
interface Database {
  readonly totals: Map<string, number>;
  /** Answers by key, where handlers recognise repeats themselves. */
  readonly answered: Map<string, Reply>;
  readonly effects: EffectRecord[];
  /** One for all servers: it stands for an engine that they share. */
  readonly store: MemoryReplayStore;
}

/** What the checkers are told. */
interface Evidence {
  readonly calls: CallRecord[];
  readonly operations: Operation[];
  readonly sessions: SessionOperation[];
  readonly attempts: AttemptRecord[];
}

/** Everything a run is made of. */
interface Stage extends FaultStage {
  readonly setup: SwarmSetup;
  readonly database: Database;
  readonly evidence: Evidence;
}

interface Place {
  readonly host: string;
  readonly region: string;
}

async function runSetup(setup: SwarmSetup): Promise<SwarmRun> {
  const world = worldOf(setup);
  const stage: Stage = {
    setup, world, runtimes: new Map(), lies: new Map(), stalls: new Map(), troubles: new Map(), restart: new Map(),
    database: { totals: new Map(), answered: new Map(), effects: [], store: memoryReplayStore() },
    evidence: { calls: [], operations: [], sessions: [], attempts: [] },
  };
  for (const place of serverHosts(setup)) stand(stage, place);
  // Listening takes its time on the simulated network too.
  await world.run(500);
  for (const place of clientHosts(setup)) callFrom(stage, place);
  for (const fault of setup.faults) playFault(stage, fault);
  await world.run(setup.untilMs + setup.timeoutMs + 2_000);
  const { calls } = stage.evidence;
  return { verdicts: judge(stage), digest: world.digest, calls: calls.length, events: world.events };
}

function worldOf({ seed, roundTripsMs, regions, jitter, lossRate }: SwarmSetup): SimulatedWorld {
  const world = createWorld({
    seed, link: { latencyMs: 0.25, jitterMs: 0.25 * jitter, lossRate }, discovery: { delayMs: 20, leaseMs: 5_000 },
  });
  let pair = 0;
  for (const [i, left] of regions.entries()) {
    for (const right of regions.slice(i + 1)) {
      const latencyMs = (roundTripsMs[pair++] ?? 50) / 2;
      world.link(left.name, right.name, { latencyMs, jitterMs: latencyMs * jitter });
    }
  }
  return world;
}

/** Puts up a server, and says how it is started anew after a crash. */
function stand(stage: Stage, { host, region }: Place): void {
  const { setup: { policies, workMs, wire }, world, database, runtimes, restart } = stage;
  const its: Replay<() => unknown> | undefined = policies.replay ? replay({ store: database.store }) : undefined;
  const limit = policies.limit === undefined ? undefined : limitNamed(policies.limit);
  const layers = { admission: policies.admission && admission({ limit }), replay: its };
  if (wire === "modelled") {
    const modelled = (name: MethodName): ModelledHandler => async (input, context, place) => {
      await place.work(context);
      return handle(stage, host, { name, input, context, its });
    };
    const server = simulatedServer(world, Counters, {
      host, region, zone: "a", workers: 4, work: constant(workMs), ...layers,
      handlers: { read: modelled("read"), add: modelled("add"), bump: modelled("bump") },
    });
    restart.set(host, () => server.restart());
    return;
  }
  const begin = (inner: Runtime): void => {
    const runtime = faultyRuntime(inner);
    runtimes.set(host, runtime);
    const trouble = { slowness: 1, errors: 0 };
    stage.troubles.set(host, trouble);
    const timed = (name: MethodName) => async (input: Request, context: Context): Promise<Reply> => {
      await new Promise<void>((resolve) => void runtime.clock.after(workMs * trouble.slowness, resolve));
      if (runtime.random.next() < trouble.errors) throw expected("unavailable", `${host} fails: it was told to`);
      return handle(stage, host, { name, input, context, its });
    };
    const server = createServerOn(runtime, { region, zone: "a", registry: world.discovery, ...layers });
    server.implement(Counters, { read: timed("read"), add: timed("add"), bump: timed("bump") });
    void server.listen({ host, port: 7_000 });
  };
  begin(world.host(host, { region, zone: "a" }));
  restart.set(host, () => begin(world.restart(host)));
}

interface Handling {
  readonly name: MethodName;
  readonly input: Request;
  readonly context: Context;
  /** Of the server, if it has one. */
  readonly its: Replay<() => unknown> | undefined;
}

/** What a handler does, in one step with its record: a transaction of the database. */
function handle(
  { database, world }: Stage, host: string, { name, input, context, its }: Handling,
): Reply | Promise<Reply> {
  const { totals, answered, effects } = database;
  const { object, call } = input;
  if (name === "read") return { total: totals.get(object) ?? 0, at: host };
  const reply = { total: (totals.get(object) ?? 0) + 1, at: host };
  const effect = (): void => {
    if (totals.get(object) === reply.total) throw new Error("the database was changed within a transaction");
    totals.set(object, reply.total);
    effects.push({ key: call, atMs: world.nowMs, at: host, answer: String(reply.total) });
  };
  const { idempotencyKey } = context;
  if (name === "add" && idempotencyKey !== undefined) {
    if (its !== undefined) return its.record(context, reply, effect).then(() => reply);
    const before = answered.get(idempotencyKey);
    if (before !== undefined) return before;
    answered.set(idempotencyKey, reply);
  }
  effect();
  return reply;
}

/** Lets one client call, at random times, whatever becomes of earlier calls. */
function callFrom(stage: Stage, place: Place): void {
  const { setup, world, evidence, lies, stalls, runtimes } = stage;
  const { host, region } = place;
  const { rate, timeoutMs, untilMs, policies } = setup;
  const discovery = lyingDiscovery(world, Counters.name);
  lies.set(host, discovery);
  const itsStalls: Span[] = [];
  stalls.set(host, itsStalls);
  const runtime = faultyRuntime(world.host(host, { region, zone: "a" }));
  runtimes.set(host, runtime);
  const observer: Observer = {
    attemptEnded({ attempt, startedMs }) {
      evidence.attempts.push({ atMs: startedMs, hop: host, isFirst: attempt === 0 });
    },
  };
  const client = createClientOn(runtime, Counters, {
    ...clientOptions(setup, runtime, region), discovery, observer, timeoutMs,
    ...(setup.wire === "modelled" ? { protocol: world.wire } : {}),
  });
  const chance = world.chance(`calls of ${host}`);
  let count = 0;
  const one = async (): Promise<void> => {
    const dueMs = world.nowMs;
    const dice = chance.next();
    const method: MethodName = dice < 0.4 ? "read" : dice < 0.8 ? "add" : "bump";
    const object = objects[Math.floor(chance.next() * objects.length)] as string;
    const call = `${host}-${++count}`;
    const answer: Reply | RpcError = await client[method]({ object, call })
      .catch((error: unknown) => RpcError.from(error));
    note(stage, { ...place, method, object, call, dueMs, answer, stalls: itsStalls, policies });
  };
  // By its own clock: a program that stands still calls nobody.
  const next = (): void => void runtime.clock.after(-Math.log(1 - chance.next()) * 1_000 / rate, () => {
    if (world.nowMs >= untilMs) return;
    void one();
    next();
  });
  next();
}

function clientOptions({ policies }: SwarmSetup, runtime: Runtime, region: string): Partial<ClientOptions> {
  return {
    ...(policies.retry ? {} : { retry: false as const }), ...(policies.outliers ? {} : { outliers: false as const }),
    ...(policies.slowStart ? {} : { slowStart: false as const }),
    ...(policies.loadThresholds ? {} : { loadThresholds: false as const }),
    ...(policies.view ? {} : { view: false as const }), ...(policies.regions ? { region, zone: "a" } : {}),
    ...(policies.hedge === false ? { hedge: false as const } : {}),
    ...(policies.throttle === false ? { throttle: false as const } : {}),
    ...(policies.tuning === false ? { tuning: false as const } : {}),
    picker: pickerNamed(policies.picker)(runtime),
    ...(policies.sabotage === undefined ? {} : { stack: (defaults: Stack) => sabotaged(runtime, defaults) }),
  };
}

/** The canary's fault: below the retries each attempt gets another key, so that a repeat looks like a new call. */
function sabotaged(runtime: Runtime, defaults: Stack): Stack {
  const { retry } = defaults;
  let keys = 0;
  const rekey: Layer = (next) => (request, context) => next(request, context.idempotencyKey === undefined
    ? context
    : context.with({ idempotencyKey: automaticKey(runtime, keys++) }));
  return { ...defaults, retry: retry && ((next) => retry(rekey(next))) };
}

interface Ended extends Place {
  readonly method: MethodName;
  readonly object: string;
  readonly call: string;
  readonly dueMs: number;
  readonly answer: Reply | RpcError;
  readonly stalls: readonly Span[];
  readonly policies: SwarmPolicies;
}

/** Writes down what a caller saw. */
function note({ evidence, world, setup }: Stage, ended: Ended): void {
  const { method, object, call, dueMs, answer, host, region } = ended;
  const endedMs = world.nowMs;
  const error = RpcError.is(answer) ? answer : undefined;
  const reply = RpcError.is(answer) ? undefined : answer;
  const outcome = error === undefined ? "acknowledged" : error.neverStarted ? "refused" : "unknown";
  // Who stood still noticed his deadline when he went on; whose clock leapt has another idea of it.
  const woke = ended.stalls.findLast(({ fromMs, untilMs }) => fromMs <= dueMs + setup.timeoutMs && untilMs >= dueMs);
  const hasLeapt = setup.faults.some(({ kind, target }) => kind === "leap" && target === host);
  const deadlineMs = Math.max(dueMs + setup.timeoutMs, woke === undefined ? 0 : woke.untilMs + stallGraceMs);
  evidence.calls.push({
    id: call, method, caller: host, region, dueMs, endedMs, deadlineMs: hasLeapt ? Infinity : deadlineMs, outcome,
    key: method === "read" ? undefined : call, code: error?.code, servedBy: reply?.at,
    answer: reply === undefined || method === "read" ? undefined : String(reply.total),
  });
  const isRead = method === "read";
  if (outcome !== "refused" && !(isRead && reply === undefined)) {
    evidence.operations.push({
      object, name: isRead ? "read" : "add", argument: 1, answer: reply?.total, startedMs: dueMs,
      endedMs: reply === undefined ? Infinity : endedMs, caller: host,
    });
  }
  if (reply !== undefined) {
    evidence.sessions.push({
      session: host, object, kind: isRead ? "read" : "write", version: reply.total, startedMs: dueMs, endedMs,
    });
  }
}

/** Of a few calls one is too large a share. */
const quietWindowMs = 5_000;

/** What came in while it stood still is worked off after that. */
const stallGraceMs = 50;
/** How soon after the last fault calls must be answered again. */
const recoveryMs = 10_000;

/** What share of them. Where packets are lost, a connection is given up now and then, with what is under way on it. */
function goodputOf({ policies, lossRate }: SwarmSetup): number {
  return policies.retry ? 0.98 : lossRate > 0 ? 0.85 : 0.95;
}

function judge({ setup, evidence, database }: Stage): Verdict[] {
  const { calls, operations, sessions, attempts } = evidence;
  const verdicts = [
    checkEffects(calls, database.effects),
    checkLinearizable(counterModel, operations, { maxSteps: 50_000 }),
    checkSessions(sessions),
    checkDeadlines(calls, { graceMs: 5 }),
    checkRecovery(calls, {
      withinMs: recoveryMs, goodput: goodputOf(setup), healedMs: setup.healedMs, untilMs: setup.untilMs,
      windowMs: quietWindowMs,
    }),
  ];
  if (setup.policies.retry) {
    // What the budget of each client grants: at least 10 a second, and once the calls of 700 ms.
    verdicts.push(checkAmplification(attempts, { most: 1.2, allowance: 12 + 0.7 * setup.rate }));
  }
  return verdicts;
}
