// How many attempts become of a call, at each of three tiers of services and over all, while the last of them fails.
import type { Buckets, CrowdReport, LedgerFigures } from "./fleet/ledger.ts";
import { bucketMs } from "./fleet/ledger.ts";
import { machineMs } from "./fleet/messages.ts";
import { type LedgerServer, onStage, type Played, type Stage } from "./fleet/stage.ts";
import { picksAt, round, worstStallMs } from "./frame/figures.ts";
import { atMost, type Row, type Scenario, told } from "./frame/rows.ts";

const name = "amplification";
const perSecond = 1_000;
/** Windows with fewer calls say too little. */
const leastCalls = 200;

export const scenario: Scenario = {
  about: "how many attempts retries make of a call, over three tiers while the last one fails",
  run: (options) => onStage(options, tiers),
};

async function *tiers(stage: Stage): AsyncGenerator<Row> {
  stage.options.progress("three tiers: starting two servers of each");
  const server = { workers: 64, workMs: 2 };
  const last = await stage.servers([server, server]);
  const addresses = (of: readonly LedgerServer[]): string[] => of.map(({ address }) => address);
  const second = await stage.servers([server, server].map((one) => ({ ...one, below: addresses(last) })));
  const first = await stage.servers([server, server].map((one) => ({ ...one, below: addresses(second) })));
  for (const share of stage.options.quick ? [0.9] : [0.5, 1]) {
    yield* await stage.play(`the last tier fails ${share * 100} of a hundred`,
      () => played(stage, { first, second, last, share }));
  }
}

interface Cast {
  readonly first: readonly LedgerServer[];
  readonly second: readonly LedgerServer[];
  readonly last: readonly LedgerServer[];
  readonly share: number;
}

async function played(stage: Stage, { first, second, last, share }: Cast): Promise<Played> {
  const everybody = [...first, ...second, ...last];
  await Promise.all(everybody.map((one) => one.figures()));
  await stage.begin([{ name: "callers", perSecond, servers: first.map(({ address }) => ({ address })) }]);
  await stage.wait(2_000);
  await stage.latenessMs(everybody);
  const faultMs = machineMs();
  await Promise.all(last.map((one) => one.behave({ errors: share, fast: true })));
  await stage.wait(stage.options.quick ? 5_000 : 11_000);
  const untilMs = machineMs();
  const lateMs = await stage.latenessMs(everybody);
  const [atFirst, atSecond, atLast] = await Promise.all([first, second, last].map((tier) =>
    Promise.all(tier.map((one) => one.figures())))) as [LedgerFigures[], LedgerFigures[], LedgerFigures[]];
  await Promise.all(last.map((one) => one.behave({ errors: 0 })));
  const report = await stage.report();
  const span = { fromMs: faultMs, untilMs };
  const calls = callsOf(report);
  const ratios = [
    ["callers → A", calls, picksOf(report)],
    ["A → B", sum(atFirst, "begun"), sum(atFirst, "attempts")],
    ["B → C", sum(atSecond, "begun"), sum(atSecond, "attempts")],
    ["callers → C, over all tiers", calls, sum(atSecond, "attempts")],
  ] as const;
  const what = `C fails ${share * 100} %`;
  const seen = sum(atLast, "begun");
  return {
    rows: [
      ...ratios.flatMap(([hop, of, attempts]) => [
        atMost(name, `${what}: ${hop}, any second`, round(worst(of, attempts, { ...span, windowMs: 1_000 })), 1.2, "x"),
        atMost(name, `${what}: ${hop}, ${Math.floor((untilMs - faultMs - 1_000) / 1_000)} s from a second on`,
          round(over(of, attempts, faultMs + 1_000, untilMs)), 1.1, "x"),
      ]),
      told(name, `${what}: calls that reached C`, round(over(calls, seen, faultMs, untilMs)), "x"),
    ],
    lateMs: Math.max(lateMs, worstStallMs(report, faultMs)),
  };
}

function callsOf({ calls }: CrowdReport): Buckets {
  return bucketed(calls.map(([, , , dueMs]) => dueMs));
}

function picksOf(report: CrowdReport): Buckets {
  return bucketed(picksAt(report, 0, Infinity).map(([, atMs]) => atMs));
}

function bucketed(times: readonly number[]): Buckets {
  const buckets: Record<number, number> = {};
  for (const ms of times) {
    const bucket = Math.floor(ms / bucketMs);
    buckets[bucket] = (buckets[bucket] ?? 0) + 1;
  }
  return buckets;
}

function sum(figures: readonly LedgerFigures[], which: "begun" | "attempts"): Buckets {
  const all: Record<number, number> = {};
  for (const one of figures) {
    for (const [bucket, count] of Object.entries(one[which])) all[+bucket] = (all[+bucket] ?? 0) + count;
  }
  return all;
}

/** Attempts for each call, from then to then. */
function over(calls: Buckets, attempts: Buckets, fromMs: number, untilMs: number): number {
  let [made, of] = [0, 0];
  for (let bucket = Math.ceil(fromMs / bucketMs); (bucket + 1) * bucketMs <= untilMs; bucket++) {
    made += attempts[bucket] ?? 0;
    of += calls[bucket] ?? 0;
  }
  return of < leastCalls ? 0 : made / of;
}

interface Windows {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly windowMs: number;
}

/** The most attempts for each call in any window. */
function worst(calls: Buckets, attempts: Buckets, { fromMs, untilMs, windowMs }: Windows): number {
  let most = 0;
  for (let ms = fromMs; ms + windowMs <= untilMs; ms += bucketMs) {
    most = Math.max(most, over(calls, attempts, ms, ms + windowMs + bucketMs));
  }
  return most;
}
