// Three times the load that there is room for: what is still done, how soon, for whom, and what turning away costs.
import type { LedgerFigures } from "./fleet/ledger.ts";
import { machineMs } from "./fleet/messages.ts";
import { type LedgerServer, onStage, type Played, type Stage } from "./fleet/stage.ts";
import { commonErrors, due, goodPercent, isGood, quantileMs, round, worstStallMs } from "./frame/figures.ts";
import { atLeast, atMost, type Row, type Scenario, told, withNote } from "./frame/rows.ts";

const name = "overload";
const fleet = 3;
const server = { workers: 4, workMs: 10 };
const capacity = fleet * server.workers * 1_000 / server.workMs;

export const scenario: Scenario = {
  about: "three times the load: what is still done, how soon, for whom, and what it costs to turn away",
  run: (options) => onStage(options, overloaded),
};

async function *overloaded(stage: Stage): AsyncGenerator<Row> {
  stage.options.progress(`overload: starting ${fleet} servers that can do ${capacity} calls a second`);
  const servers = await stage.servers(Array.from({ length: fleet }, () => server));
  yield* await stage.play("overload", () => played(stage, servers));
}

async function played(stage: Stage, servers: readonly LedgerServer[]): Promise<Played> {
  const { quick } = stage.options;
  await stage.begin([{
    // A quarter of three times the capacity would fit alone.
    name: "callers", perSecond: capacity / 2, methods: ["pay", "read", "list", "read"],
    servers: servers.map(({ address }) => ({ address })),
  }]);
  const calmMs = machineMs();
  await stage.wait(quick ? 2_500 : 4_000);
  const before = await Promise.all(servers.map((one) => one.figures()));
  await stage.latenessMs(servers);
  const beganMs = await stage.rate(6);
  await stage.wait(2_000);
  const fromMs = machineMs();
  await stage.wait(quick ? 4_000 : 12_000);
  const untilMs = machineMs();
  const lateMs = await stage.latenessMs(servers);
  const figures = await Promise.all(servers.map((one) => one.figures()));
  const report = await stage.report();
  const ended = report.calls.filter((one) => {
    const [, , , dueMs, tookMs] = one;
    return isGood(one) && dueMs + tookMs >= fromMs && dueMs + tookMs < untilMs;
  });
  const calm = due(report, calmMs + 500, beganMs - 200);
  const loaded = due(report, fromMs, untilMs - 1_000);
  const [unloadedMs, p99Ms] = [quantileMs(calm, 0.99), quantileMs(loaded, 0.99)];
  const good = (method: string): number => round(goodPercent(due(report, fromMs, untilMs - 1_000, { method })));
  return {
    rows: [
      withNote(atLeast(name, "goodput of the modelled capacity",
        round(100 * ended.length / (untilMs - fromMs) * 1_000 / capacity), 95, "%"), commonErrors(report)),
      withNote(atMost(name, "99 % of the accepted within, of unloaded", round(p99Ms / unloadedMs), 5, "x"),
        `${round(p99Ms)} ms and ${round(unloadedMs)} ms`),
      atLeast(name, "critical calls that succeeded", good("pay"), 99.5, "%"),
      ...serverRows(before, figures),
      told(name, "offered", Math.round(loaded.length / (untilMs - 1_000 - fromMs) * 1_000), "calls/s"),
      told(name, "other calls that succeeded", good("read"), "%"),
      told(name, "sheddable calls that succeeded", good("list"), "%"),
    ],
    lateMs: Math.max(lateMs, worstStallMs(report, fromMs)),
  };
}

function serverRows(before: readonly LedgerFigures[], figures: readonly LedgerFigures[]): Row[] {
  const sorted = (which: "shedMs" | "waitedMs"): number[] =>
    figures.flatMap((one) => one[which]).sort((a, b) => a - b);
  const [sheds, waited] = [sorted("shedMs"), sorted("waitedMs")];
  const all = sheds.length + waited.length;
  const advised = figures.reduce((sum, { shedsWithAdvice }) => sum + shedsWithAdvice, 0);
  const grown = figures.map(({ memoryMiB }, i) => memoryMiB - (before[i]?.memoryMiB ?? 0));
  const within = (of: readonly number[], quantile: number): number => round(of[Math.floor(of.length * quantile)] ?? 0);
  return [
    withNote(atMost(name, "turned away at the door: 99 % within", within(sheds, 0.99), 1, "ms"),
      `${sheds.length} calls, half within ${within(sheds, 0.5)} ms`),
    told(name, "turned away from the line: 99 % within", within(waited, 0.99), "ms",
      `${waited.length} calls, half within ${within(waited, 0.5)} ms`),
    atLeast(name, "refusals that say when to come again", all === 0 ? 100 : round(100 * advised / all), 100, "%"),
    atMost(name, "most calls inside one server", Math.max(...figures.map((one) => one.mostInside)), 200, "calls"),
    atMost(name, "a server's memory grew by", round(Math.max(...grown)), 96, "MiB"),
  ];
}
