// Whether goodput returns by itself after a trigger, at 93 % of the capacity: a standstill, a surge, a third lost.
import { once } from "node:events";
import type { LedgerFigures } from "./fleet/ledger.ts";
import { machineMs } from "./fleet/messages.ts";
import { type LedgerServer, onStage, type Played, type Stage } from "./fleet/stage.ts";
import { commonErrors, due, goodPercent, isGood, round, worstStallMs } from "./frame/figures.ts";
import { atLeast, atMost, type Row, type Scenario, told, withNote } from "./frame/rows.ts";

const name = "metastable";
const fleet = 3;
const server = { workers: 4, workMs: 10 };
/** Calls a second that all workers can do. */
const modelled = fleet * server.workers * 1_000 / server.workMs;
const baseShare = 0.93;

type Trigger = "standstill" | "surge" | "loss";

export const scenario: Scenario = {
  about: "goodput returns within 5 s of a standstill, of three times the load, of a third of the capacity lost",
  run: (options) => onStage(options, triggers),
};

async function *triggers(stage: Stage): AsyncGenerator<Row> {
  stage.options.progress(`triggers: starting ${fleet} servers that can do ${modelled} calls a second`);
  const servers = await stage.servers(Array.from({ length: fleet }, () => server));
  const capacity = await measured(stage, servers);
  yield told(name, "capacity, measured", round(capacity), "calls/s", `${modelled} by the model`);
  const base = baseShare * Math.min(modelled, capacity);
  for (const trigger of stage.options.quick ? ["surge"] as const : ["standstill", "surge", "loss"] as const) {
    yield* await stage.play(trigger, () => played(stage, { servers, base, trigger }));
  }
}

/** What is done in a second of what is offered when that is a third more than there should be room for. */
async function measured(stage: Stage, servers: readonly LedgerServer[]): Promise<number> {
  stage.options.progress("capacity");
  await stage.begin([{
    name: "callers", perSecond: modelled * 1.3, servers: servers.map(({ address }) => ({ address })),
  }]);
  await stage.wait(stage.options.quick ? 1_000 : 2_000);
  const fromMs = machineMs();
  await stage.wait(stage.options.quick ? 2_000 : 3_000);
  const untilMs = machineMs();
  const report = await stage.report();
  const good = report.calls.filter((one) => {
    const [, , , dueMs, tookMs] = one;
    return isGood(one) && dueMs + tookMs >= fromMs && dueMs + tookMs < untilMs;
  });
  return good.length / (untilMs - fromMs) * 1_000;
}

interface Cast {
  readonly servers: LedgerServer[];
  readonly base: number;
  readonly trigger: Trigger;
}

async function played(stage: Stage, { servers, base, trigger }: Cast): Promise<Played> {
  const { quick } = stage.options;
  await stage.begin([{ name: "callers", perSecond: base, servers: servers.map(({ address }) => ({ address })) }]);
  await stage.wait(2_500);
  await Promise.all(servers.map((one) => one.figures()));
  await stage.latenessMs(servers);
  const beganMs = machineMs();
  const endedMs = await bringAbout[trigger](stage, servers, quick ? 1_500 : 3_000);
  // What servers were late by while they were stopped is the fault itself.
  await stage.latenessMs(servers);
  await stage.wait(5_000);
  const fromMs = machineMs();
  await stage.wait(quick ? 2_000 : 4_000);
  const untilMs = machineMs();
  const lateMs = await stage.latenessMs(servers);
  const figures = await Promise.all(servers.map((one) => one.figures()));
  const report = await stage.report();
  const during = due(report, beganMs, endedMs);
  const wasted = share(figures);
  return {
    rows: [
      withNote(atLeast(name, `${trigger}: goodput from 5 s after it`,
        round(goodPercent(due(report, fromMs, untilMs - 1_000))), 97, "%"), commonErrors(report)),
      atMost(name, `${trigger}: work done for nobody`, round(wasted), 1, "%"),
      told(name, `${trigger}: goodput meanwhile`, round(goodPercent(during)), "%"),
      told(name, `${trigger}: goodput in the 5 s after it`, round(goodPercent(due(report, endedMs, fromMs))), "%"),
    ],
    lateMs: Math.max(lateMs, worstStallMs(report, endedMs)),
  };
}

function share(figures: readonly LedgerFigures[]): number {
  const total = figures.reduce((sum, { workMs }) => sum + workMs, 0);
  return 100 * figures.reduce((sum, { wastedMs }) => sum + wastedMs, 0) / Math.max(1, total);
}

/** Each is over when it resolves, with when that was. */
const bringAbout: Readonly<Record<Trigger, (stage: Stage, servers: LedgerServer[], ms: number) => Promise<number>>> = {
  async standstill(stage, servers, ms) {
    for (const one of servers) one.signal("SIGSTOP");
    await stage.wait(ms);
    for (const one of servers) one.signal("SIGCONT");
    return machineMs();
  },
  async surge(stage, _, ms) {
    await stage.rate(3);
    await stage.wait(ms);
    return stage.rate(1);
  },
  async loss(stage, servers, ms) {
    const [victim] = servers as [LedgerServer];
    const exit = once(victim.child, "exit");
    victim.signal("SIGKILL");
    await exit;
    await stage.wait(ms);
    servers[0] = await stage.again(victim);
    return machineMs();
  },
};
