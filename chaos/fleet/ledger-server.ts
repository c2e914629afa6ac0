// A server of the ledger with a modelled capacity: node chaos/fleet/ledger-server.ts SETTINGS, as JSON.
import { createClient as connectRedis } from "@redis/client";
import {
  type Context, expected, type LayerMaker, observeAll, type Observer, type Picker,
} from "../../src/core/index.ts";
import { createClient, createServer } from "../../src/index.ts";
import { gateOf } from "../../src/core/gate.ts";
import { admission } from "../../src/overload/index.ts";
import { registry } from "../../src/registry/index.ts";
import { redisReplayStore, replay } from "../../src/replay/index.ts";
import { processLoad } from "../../src/runtime/node/index.ts";
import {
  bucketMs, type FromLedger, Ledger, type LedgerBehaviour, type LedgerSettings, type Method, type ToLedger,
} from "./ledger.ts";
import { machineMs, watchLateness } from "./messages.ts";
import { effectsKey } from "./redis.ts";
import { Workbench } from "./workbench.ts";

const settings = JSON.parse(process.argv[2] ?? "{}") as LedgerSettings;
const tell = (message: FromLedger): void => void process.send?.(message);

let behaviour: LedgerBehaviour = { errors: 0, fast: false, slowness: 1, workers: settings.workers, holds: false };
const bench = new Workbench(settings.workers);
const worstLatenessMs = watchLateness();
let mostInside = 0;
let shedMs: number[] = [];
let waitedMs: number[] = [];
let shedsWithAdvice = 0;
let begun: Record<number, number> = {};
let attempts: Record<number, number> = {};

function count(buckets: Record<number, number>): void {
  const bucket = Math.floor(machineMs() / bucketMs);
  buckets[bucket] = (buckets[bucket] ?? 0) + 1;
}

const observer: Observer = {
  handled(_, latencyMs, error) {
    if (error?.code !== "resource_exhausted" || !error.neverStarted) return;
    waitedMs.push(latencyMs);
    if (error.retryAfterMs !== undefined) shedsWithAdvice++;
  },
};

process.on("message", (message: ToLedger) => {
  if (message.kind === "lateness") {
    tell({ kind: "lateness", worstMs: worstLatenessMs() });
  } else if (message.kind === "behave") {
    behaviour = { ...behaviour, ...message };
    bench.workers = behaviour.workers;
    tell({ kind: "changed" });
  } else {
    const { workMs, wastedMs } = bench;
    const memoryMiB = process.memoryUsage.rss() / 2 ** 20;
    tell({
      kind: "figures", workMs, wastedMs, mostInside, shedMs, waitedMs, shedsWithAdvice, memoryMiB, begun, attempts,
    });
    [bench.workMs, bench.wastedMs, mostInside, shedMs, waitedMs, shedsWithAdvice] = [0, 0, 0, [], [], 0];
    [begun, attempts] = [{}, {}];
  }
});
process.on("disconnect", () => process.exit());

const redis = settings.redisPort === undefined
  ? undefined
  : await connectRedis({ socket: { host: "127.0.0.1", port: settings.redisPort } })
    .on("error", () => undefined).connect();
const below = settings.below === undefined ? undefined : createClient(Ledger, {
  address: settings.below, metrics: false, routing: (makePicker) => counting(makePicker()),
});

/** The default admission; how long it takes to turn away at the door is measured around it. */
const timedAdmission: LayerMaker = (runtime, told) => {
  const layer = admission()(runtime, told);
  const gate = gateOf(layer);
  if (gate === undefined) return layer;
  const refuse = gate.refuse.bind(gate);
  gate.refuse = (context) => {
    const fromMs = machineMs();
    const refusal = refuse(context);
    if (refusal !== undefined) {
      shedMs.push(machineMs() - fromMs);
      if (refusal.retryAfterMs !== undefined) shedsWithAdvice++;
    }
    return refusal;
  };
  return layer;
};

function counting(inner: Picker): Picker {
  const pick: Picker = (candidates, context) => {
    const picked = inner(candidates, context);
    if (picked !== undefined) count(attempts);
    return picked;
  };
  return Object.assign(pick, { seesAll: inner.seesAll ?? false });
}

async function work(method: Method, context: Context): Promise<Record<string, never>> {
  count(begun);
  mostInside = Math.max(mostInside, server.inFlight);
  const { errors, fast, slowness } = behaviour;
  const fails = Math.random() < errors;
  if (!(fails && fast)) {
    const wasDone = await bench.do(settings.workMs * slowness, context);
    if (!wasDone) throw context.cancelReason ?? expected("cancelled", "nobody waits for it any more");
  }
  if (fails) throw expected("unavailable", "told to fail");
  if (below !== undefined && method !== "add") await below[method]({}, { context });
  return {};
}

/** This process's own, and that its modelled workers are busy, as one bound by its processor would tell. */
const load = processLoad();
const server = createServer({
  metrics: false, admission: timedAdmission, region: settings.region, observer: observeAll(observer, load.observer),
  load(inFlight) {
    const report = load(inFlight);
    return { ...report, cpu: Math.max(report.cpu, bench.utilisation()) };
  },
  registry: settings.registry === undefined ? undefined : registry(settings.registry),
  replay: redis === undefined ? undefined : replay({ store: redisReplayStore(redis) }),
});
server.implement(Ledger, {
  read: (_, context) => work("read", context),
  pay: (_, context) => work("pay", context),
  list: (_, context) => work("list", context),
  async add({ id }, context) {
    await work("add", context);
    // The effect and the record of the call are apart on purpose: a server may die between them.
    await redis?.rPush(effectsKey, JSON.stringify([id, machineMs()]));
    if (behaviour.holds) {
      tell({ kind: "holding" });
      await new Promise(() => undefined);
    }
    return {};
  },
});
const { host = "127.0.0.1", port = 0 } = settings;
tell({ kind: "listening", address: await server.listen({ host, port }) });
