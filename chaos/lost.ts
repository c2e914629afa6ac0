// Writes with idempotency keys, while a region's servers are killed and one dies between effect and reply.
import { checkEffects } from "../src/sim/check-effects.ts";
import type { CallRecord } from "../src/sim/checkers.ts";
import type { CrowdReport } from "./fleet/ledger.ts";
import { machineMs } from "./fleet/messages.ts";
import { type RedisProcess, startRedis } from "./fleet/redis.ts";
import { type LedgerServer, onStage, type Played, type Stage } from "./fleet/stage.ts";
import { commonErrors, due, goodPercent, round, worstStallMs } from "./frame/figures.ts";
import { atLeast, atMost, notMeasured, type Row, type Scenario, told, withNote } from "./frame/rows.ts";

const name = "lost";
const perSecond = 1_000;
const outcomes = ["acknowledged", "refused", "unknown"] as const;

export const scenario: Scenario = {
  about: "no acknowledged write is lost or done twice, whoever is killed when",
  async *run(options) {
    const redis = await startRedis();
    if (typeof redis === "string") {
      yield notMeasured(name, "acknowledged writes that were lost", "at most 0", redis);
      return;
    }
    try {
      yield* onStage(options, (stage) => kills(stage, redis));
    } finally {
      await redis.end();
    }
  },
};

async function *kills(stage: Stage, redis: RedisProcess): AsyncGenerator<Row> {
  stage.options.progress("killed servers: starting two regions of two servers, which share a Redis");
  const settings = (region: string) => ({ region, workers: 16, workMs: 4, redisPort: redis.port });
  const east = await stage.servers([settings("east"), settings("east")]);
  const west = await stage.servers([settings("west"), settings("west")]);
  yield* await stage.play("killed servers", () => played(stage, { east, west, redis }));
}

interface Cast {
  readonly east: LedgerServer[];
  readonly west: LedgerServer[];
  readonly redis: RedisProcess;
}

async function played(stage: Stage, { east, west, redis }: Cast): Promise<Played> {
  const servers = [...east.map(({ address }) => ({ address, region: "east" })),
    ...west.map(({ address }) => ({ address, region: "west" }))];
  const half = { perSecond: perSecond / 2, servers, methods: ["add", "read", "read", "add", "read", "read", "add",
    "read", "read", "read"] as const };
  const crowd = `${Math.round(machineMs())}`;
  await stage.begin([
    { ...half, name: `${crowd} east`, region: "east" }, { ...half, name: `${crowd} west`, region: "west" },
  ]);
  const fromMs = machineMs();
  await stage.wait(1_500);
  for (const server of east) server.signal("SIGKILL");
  await stage.wait(1_500);
  await Promise.all(east.map(async (server, i) => { east[i] = await stage.again(server); }));
  // Each of these dies with writes that were done and not answered: and once every write of that server is such.
  const rounds = stage.options.quick ? 1 : 3;
  for (let i = 0; i < rounds; i++) {
    const victim = west[i % west.length] as LedgerServer;
    const holding = victim.next("holding");
    await victim.behave({ holds: true });
    await holding;
    await stage.wait(50);
    victim.signal("SIGKILL");
    await stage.wait(500);
    west[i % west.length] = await stage.again(victim);
    await stage.wait(1_000);
  }
  const report = await stage.report();
  const lateMs = Math.max(worstStallMs(report, fromMs), await stage.latenessMs());
  const effects = (await redis.effects()).filter(([id]) => id.startsWith(crowd))
    .map(([key, atMs]) => ({ key, atMs }));
  return { rows: judged(report, effects), lateMs };
}

/** Holds what callers were told against the ledger. */
function judged(report: CrowdReport, effects: readonly { readonly key: string; readonly atMs: number }[]): Row[] {
  const calls = report.calls.map(([client, number, method, dueMs, tookMs, end]): CallRecord => {
    const id = `${report.clients[client]} ${number}`;
    const isWrite = report.methods[method] === "add";
    return {
      id, method: report.methods[method] ?? "", caller: report.clients[client] ?? "", dueMs, endedMs: dueMs + tookMs,
      deadlineMs: dueMs + 1_000, outcome: outcomes[end], key: isWrite ? id : undefined,
    };
  });
  const verdict = checkEffects(calls, effects);
  const { lost = 0, doubled = 0, acknowledged = 0, refused = 0, unknown = 0, unknownButDone = 0 } = verdict.figures;
  const done = new Set(effects.map(({ key }) => key));
  const falselyRefused = calls.filter(({ key, outcome }) => outcome === "refused" && done.has(key ?? ""));
  const rows = [
    atMost(name, "acknowledged writes that were lost", lost, 0, "writes"),
    atMost(name, "writes that were done more than once", doubled, 0, "writes"),
    atMost(name, "writes said not to have happened that had", falselyRefused.length, 0, "writes"),
    withNote(atMost(name, "violations that the checker found", verdict.count, 0, "writes"), verdict.violations[0]),
    atLeast(name, "writes acknowledged", acknowledged, 100, "writes"),
    told(name, "writes refused, certainly not done", refused, "writes"),
    told(name, "writes of which nobody knows", unknown, "writes", `${unknownButDone} of them had been done`),
    told(name, "calls that succeeded", round(goodPercent(due(report, 0, Infinity))), "%", commonErrors(report)),
  ];
  return rows;
}
