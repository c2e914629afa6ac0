// How soon calls go elsewhere when a region falls silent, or one server dies or falls silent, at 60 % of the capacity.
import { once } from "node:events";
import type { CrowdClient, CrowdReport } from "./fleet/ledger.ts";
import { machineMs } from "./fleet/messages.ts";
import { type NetworkNamespace, networkNamespace } from "./fleet/network-namespace.ts";
import { type LedgerServer, onStage, type Played, type Stage } from "./fleet/stage.ts";
import { commonErrors, due, failed, picksAt, round, worstStallMs } from "./frame/figures.ts";
import { atMost, type Row, type Scenario, told, withNote } from "./frame/rows.ts";

const name = "failover";
const regions = ["east", "west", "south"] as const;
/** Round trips between regions, in milliseconds. */
const roundTrips: Readonly<Record<string, number>> = { "east west": 35, "east south": 70, "south west": 105 };
/** Of each region's callers: 60 % of two servers with four workers that take 14 ms. */
const perSecond = 340;
const server = { workers: 4, workMs: 14 };

export const scenario: Scenario = {
  about: "how soon calls go elsewhere when a region is cut off, and when one server dies or falls silent",
  async *run(options) {
    yield* onStage(options, region);
    yield* onStage(options, single);
  },
};

async function *region(stage: Stage): AsyncGenerator<Row> {
  const cable = networkNamespace();
  const how = typeof cable === "string" ? "stopped" : "cut off";
  try {
    stage.options.progress(`region ${how}: starting three regions of two servers`);
    const [east, west, south] = await Promise.all(regions.map((one) => {
      const isInside = one === "east" && typeof cable !== "string";
      const settings = { ...server, region: one, ...(isInside ? { host: cable.host } : {}) };
      return stage.servers([settings, settings], isInside ? cable.prefix : []);
    })) as [LedgerServer[], LedgerServer[], LedgerServer[]];
    yield* await stage.play(`region ${how}`, () => regionPlayed(stage, { east, others: [...west, ...south], cable }));
  } finally {
    if (typeof cable !== "string") cable.close();
  }
}

function crowdsOf(servers: readonly LedgerServer[]): CrowdClient[] {
  const known = servers.map(({ address, settings }) => ({ address, region: settings.region ?? "" }));
  return regions.map((one) => ({
    name: one, region: one, perSecond, servers: known,
    oneWayMs: Object.fromEntries(regions.map((to) => [to, (roundTrips[[one, to].sort().join(" ")] ?? 0) / 2])),
  }));
}

interface Cast {
  readonly east: readonly LedgerServer[];
  readonly others: readonly LedgerServer[];
  readonly cable: NetworkNamespace | string;
}

async function regionPlayed(stage: Stage, { east, others, cable }: Cast): Promise<Played> {
  await stage.begin(crowdsOf([...east, ...others]));
  // Long enough for what retries may spend to be saved up.
  await stage.wait(stage.options.quick ? 5_000 : 8_000);
  await stage.latenessMs(others);
  const faultMs = machineMs();
  if (typeof cable === "string") {
    for (const one of east) one.signal("SIGSTOP");
  } else {
    cable.drop();
    cable.dropInward();
  }
  const tookMs = machineMs() - faultMs;
  await stage.wait(stage.options.quick ? 3_000 : 10_000);
  const lateMs = Math.max(tookMs, await stage.latenessMs(others));
  const report = await stage.report();
  if (typeof cable === "string") for (const one of east) one.signal("SIGCONT");
  else cable.restore();
  const there = new Set(east.map(({ address }) => address));
  return { rows: regionRows(report, faultMs, there), lateMs: Math.max(lateMs, worstStallMs(report, faultMs)) };
}

function regionRows(report: CrowdReport, faultMs: number, there: ReadonlySet<string>): Row[] {
  const client = "east";
  const at = (address: string): boolean => there.has(address);
  const later = picksAt(report, faultMs + 500, Infinity, { client });
  const wrong = picksAt(report, faultMs + 500, Infinity, { client, at });
  const own = report.clients.indexOf(client);
  const picks = picksAt(report, faultMs, Infinity, { at });
  const last = (isOwn: boolean): number => picks.reduce((ms, [whose, atMs]) =>
    ((whose === own) === isOwn ? Math.max(ms, atMs - faultMs) : ms), 0);
  const all = due(report, faultMs - 1_000, Infinity);
  const afterwards = due(report, faultMs + 1_000, Infinity);
  return [
    atMost(name, "region: calls that still went there after 500 ms", round(100 * wrong.length / later.length), 1, "%"),
    atMost(name, "region: last new call to it of its own callers", round(last(true)), 1_000, "ms"),
    withNote(atMost(name, "region: last new call to it of callers elsewhere", round(last(false)), 1_000, "ms"),
      `${picks.filter(([whose]) => whose !== own).length} in all, which had to spill`),
    withNote(atMost(name, "region: calls that failed", round(100 * failed(all) / all.length), 0.1, "%"),
      commonErrors(report)),
    atMost(name, "region: calls that failed a second later and on", failed(afterwards), 0, "calls"),
    told(name, "region: calls a second", Math.round(1_000 * all.length /
      (Math.max(...all.map(([, , , dueMs]) => dueMs)) - faultMs + 1_000)), "calls"),
  ];
}

async function *single(stage: Stage): AsyncGenerator<Row> {
  stage.options.progress("one server: starting four");
  // 60 % of four servers with four workers that take 10 ms.
  const servers = await stage.servers(Array.from({ length: 4 }, () => ({ workers: 4, workMs: 10 })));
  yield* await stage.play("one server stopped", () => instancePlayed(stage, servers, "SIGSTOP"));
  yield* await stage.play("one server killed", () => instancePlayed(stage, servers, "SIGKILL"));
}

async function instancePlayed(
  stage: Stage, servers: LedgerServer[], signal: "SIGSTOP" | "SIGKILL",
): Promise<Played> {
  const [victim, ...others] = servers as [LedgerServer, ...LedgerServer[]];
  await stage.begin([{ name: "callers", perSecond: 1_000, servers: servers.map(({ address }) => ({ address })) }]);
  await stage.wait(1_500);
  await stage.latenessMs(others);
  const exit = once(victim.child, "exit");
  const faultMs = victim.signal(signal);
  if (signal === "SIGKILL") await exit;
  // A busy machine lets a process that was killed answer on for a while.
  const tookMs = machineMs() - faultMs;
  await stage.wait(2_500);
  const lateMs = Math.max(tookMs, await stage.latenessMs(others));
  const report = await stage.report();
  if (signal === "SIGKILL") servers[0] = await stage.again(victim);
  else victim.signal("SIGCONT");
  const [what, mostMs] = signal === "SIGKILL" ? ["one killed", 50] : ["one silent", 400];
  const there = picksAt(report, faultMs, Infinity, { at: (address) => address === victim.address });
  const all = due(report, faultMs - 1_000, Infinity);
  return {
    rows: [
      atMost(name, `${what}: last new call to it`,
        round(there.reduce((ms, [, atMs]) => Math.max(ms, atMs - faultMs), 0)), mostMs, "ms"),
      withNote(atMost(name, `${what}: calls that failed`, round(100 * failed(all) / all.length), 0.1, "%"),
        commonErrors(report)),
    ],
    lateMs: Math.max(lateMs, worstStallMs(report, faultMs)),
  };
}
