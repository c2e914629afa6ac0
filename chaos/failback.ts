// How a region that went and came back gets its traffic again, by a ramp; and that one that flaps does not.
import { checkRamp, type ShareSample } from "../src/sim/check-shares.ts";
import { machineMs } from "./fleet/messages.ts";
import { type LedgerServer, onStage, type Played, type Stage } from "./fleet/stage.ts";
import { commonErrors, due, failed, picksAt, round, worstStallMs } from "./frame/figures.ts";
import { atLeast, atMost, type Row, type Scenario, told, withNote } from "./frame/rows.ts";

const name = "failback";
const regions = ["east", "west"] as const;
const perSecond = 500;
const sampleMs = 2_000;
/** Of so many attempts in a sample, as picks by chance have it. */
const noise = 0.08;

export const scenario: Scenario = {
  about: "a region that is back is returned to by a ramp, and one that flaps is left alone",
  run: (options) => onStage(options, flapping),
};

async function *flapping(stage: Stage): AsyncGenerator<Row> {
  stage.options.progress("a flapping region: starting two regions of two servers");
  const server = { workers: 16, workMs: 8 };
  const [east, west] = await Promise.all(regions.map((region) =>
    stage.servers([{ ...server, region }, { ...server, region }]))) as [LedgerServer[], LedgerServer[]];
  yield* await stage.play("a flapping region", () => played(stage, east, west));
}

async function played(stage: Stage, east: readonly LedgerServer[], west: readonly LedgerServer[]): Promise<Played> {
  const { quick } = stage.options;
  const servers = [...east, ...west].map(({ address, settings }) => ({ address, region: settings.region ?? "" }));
  // Shortened, for a test run only: else they are the defaults, 5,000 and 30,000.
  const regionOptions = quick ? { regions: { holdDownMs: 500, rampMs: 4_000 } } : {};
  await stage.begin(regions.map((region) => ({
    name: region, region, perSecond, servers, ...regionOptions, oneWayMs: { [region === "east" ? "west" : "east"]: 17 },
  })));
  await stage.wait(2_000);
  await stop(stage, east, quick ? 1_000 : 4_000);
  const backMs = machineMs();
  await stage.latenessMs([...east, ...west]);
  await stage.wait(quick ? 7_000 : 41_000);
  const flapsMs = machineMs();
  let lateMs = await stage.latenessMs([...east, ...west]);
  for (let i = 0; i < (quick ? 2 : 3); i++) {
    await stop(stage, east, 1_500);
    await stage.wait(1_500);
  }
  const untilMs = machineMs();
  lateMs = Math.max(lateMs, await stage.latenessMs(west));
  const report = await stage.report();
  const there = new Set(east.map(({ address }) => address));
  const at = (address: string): boolean => there.has(address);
  const share = (ms: number, span: number): number =>
    picksAt(report, ms, ms + span, { client: "east", at }).length /
    Math.max(1, picksAt(report, ms, ms + span, { client: "east" }).length);
  const samples: ShareSample[] = [];
  for (let ms = backMs; ms + sampleMs <= flapsMs; ms += sampleMs) {
    samples.push({ atMs: ms, share: share(ms, sampleMs) });
  }
  const ramp = checkRamp(samples, { noise, mostTurns: 0 });
  const steps = samples.slice(1).map(({ share: now }, i) => (now - (samples[i]?.share ?? 0)) / (sampleMs / 1_000));
  const begin = samples.find(({ share: now }) => now > noise)?.atMs ?? flapsMs;
  const full = samples.find(({ share: now }) => now > 0.95)?.atMs ?? Infinity;
  const back = due(report, backMs + 1_500, flapsMs - 1_000);
  return {
    rows: [
      withNote(atMost(name, "turns on the way back", ramp.figures["turns"] ?? 0, 0, "turns"), ramp.violations[0]),
      // Two regions with the same load: of all traffic it is half.
      atMost(name, "greatest part of all traffic moved in a second",
        round(100 * Math.max(0, ...steps) / 2), quick ? 50 : 10, "%"),
      atLeast(name, "its own callers' calls that it serves in the end",
        round(100 * share(flapsMs - sampleMs, sampleMs)), 95, "%"),
      // The first silence must be noticed; from then on every return would be a turn.
      atMost(name, "its own callers' calls that it gets while it flaps", round(100 * share(flapsMs + 1_000,
        untilMs - flapsMs - 1_000)), 2, "%"),
      ...rampRows(quick, (full - begin) / 1_000),
      withNote(atMost(name, "calls that failed on the way back", round(100 * failed(back) / back.length), 0.05, "%"),
        commonErrors(report)),
      told(name, "held down before the ramp", round((begin - backMs) / 1_000), "s"),
    ],
    lateMs: Math.max(lateMs, worstStallMs(report, backMs)),
  };
}

async function stop(stage: Stage, servers: readonly LedgerServer[], ms: number): Promise<void> {
  for (const one of servers) one.signal("SIGSTOP");
  await stage.wait(ms);
  for (const one of servers) one.signal("SIGCONT");
}

/** From when its share is more than chance to when it is nearly all; samples are two seconds apart. */
function rampRows(quick: boolean, seconds: number): Row[] {
  if (quick) return [told(name, "ramp", round(seconds), "s", "shortened")];
  return [
    // What comes before 8 % and after 95 % is not seen.
    atLeast(name, "ramp, of which a seventh is not seen: at least", round(seconds), 24, "s"),
    atMost(name, "ramp: at most", Number.isFinite(seconds) ? round(seconds) : 999, 60, "s"),
  ];
}
