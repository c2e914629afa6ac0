// Packets are lost, late, doubled and out of order between callers and servers: what calls notice of it.
import { machineMs } from "./fleet/messages.ts";
import { type PacketWire, packetWire } from "./fleet/packet-wire.ts";
import type { Weather } from "./fleet/packets.ts";
import { type LedgerServer, onStage, type Played, type Stage } from "./fleet/stage.ts";
import { commonErrors, due, failed, goodPercent, quantileMs, round, worstStallMs } from "./frame/figures.ts";
import { atLeast, atMost, notMeasured, type Row, type Scenario, told, withNote } from "./frame/rows.ts";

const name = "lossy";
const server = { workers: 16, workMs: 5 };
const perSecond = 1_000;
/** Between two regions of a continent, in milliseconds, one way. */
const oneWayMs = 17;

export const scenario: Scenario = {
  about: "packets are lost, late, doubled and out of order: calls succeed, and nobody is convicted for it",
  async *run(options) {
    const wire = await packetWire();
    if (typeof wire === "string") {
      yield notMeasured(name, "1 % of the packets lost: calls that failed", "at most 0.1", wire);
      return;
    }
    try {
      yield* onStage(options, (stage) => lossy(stage, wire));
    } finally {
      await wire.close();
    }
  },
};

interface Case {
  readonly name: string;
  /** Both ways. */
  readonly weather: Weather;
  /** Whether the others are near, so that calls can be made there. */
  readonly othersNear: boolean;
}

const cases: readonly Case[] = [
  { name: "1 % of the packets lost", weather: { delayMs: oneWayMs, lossPercent: 1 }, othersNear: false },
  {
    name: "packets out of order, 1 % doubled", weather: { delayMs: oneWayMs, jitterMs: 8, doublePercent: 1 },
    othersNear: false,
  },
  { name: "one server: 20 % of its packets lost", weather: { lossPercent: 20 }, othersNear: true },
  { name: "one server: its packets take 200 ms", weather: { delayMs: 200 }, othersNear: true },
];

async function *lossy(stage: Stage, wire: PacketWire): AsyncGenerator<Row> {
  stage.options.progress("lossy wires: starting four servers behind one, and four that are near");
  const settings = Array.from({ length: 4 }, () => server);
  const behind = await stage.servers(settings.map((one) => ({ ...one, host: wire.host })), wire.prefix);
  const near = await stage.servers(settings);
  for (const one of stage.options.quick ? cases.slice(0, 1) : cases) {
    const called = one.othersNear ? [...behind.slice(0, 1), ...near] : behind;
    yield* await stage.play(one.name, () => played(stage, { wire, called, near, one }));
  }
}

interface Cast {
  readonly wire: PacketWire;
  readonly called: readonly LedgerServer[];
  readonly near: readonly LedgerServer[];
  readonly one: Case;
}

async function played(stage: Stage, { wire, called, near, one }: Cast): Promise<Played> {
  const { weather, othersNear } = one;
  const before: Weather = othersNear ? {} : { delayMs: oneWayMs };
  await wire.weather({ toServers: before, toCallers: before });
  await stage.begin([{ name: "callers", perSecond, servers: called.map(({ address }) => ({ address })) }]);
  await stage.wait(1_500);
  await stage.latenessMs(called);
  await wire.figures();
  const fromMs = machineMs();
  await wire.weather({ toServers: weather, toCallers: weather });
  await stage.wait(stage.options.quick ? 3_000 : 5_000);
  const figures = await wire.figures();
  await wire.weather({});
  const untilMs = machineMs();
  const lateMs = Math.max(await stage.latenessMs(called), figures?.lateMs ?? 0);
  const report = await stage.report();
  const all = due(report, fromMs, untilMs);
  const wronged = new Set((othersNear ? near : []).map(({ address }) => address));
  const accused = report.changes.filter(({ atMs, server: which, status }) => atMs >= fromMs && atMs < untilMs &&
    (status === "ejected" || status === "suspect") && wronged.has(report.servers[which] ?? ""));
  const convicted = report.changes.filter(({ atMs, status }) =>
    atMs >= fromMs && atMs < untilMs && (status === "ejected" || status === "suspect"));
  const success = Math.floor(goodPercent(due(report, fromMs, untilMs - 1_000)) * 1_000) / 1_000;
  return {
    rows: [
      withNote(atMost(name, `${one.name}: calls that failed`, round(100 * failed(all) / all.length), 0.1, "%"),
        [wire.maker, commonErrors(report)].filter(Boolean).join("; ")),
      ...othersNear ? [
        withNote(atLeast(name, `${one.name}: calls that succeeded within a second`, success, 99.97, "%"),
          commonErrors(report)),
        withNote(atMost(name, `${one.name}: others convicted`, accused.length, 0, "servers"), accused[0]?.why),
      ] : [],
      told(name, `${one.name}: 99 % of the calls within`, round(quantileMs(all, 0.99)), "ms"),
      told(name, `${one.name}: convictions`, convicted.length, "servers", convicted[0]?.why),
      ...figures === undefined ? [] : [told(name, `${one.name}: packets lost`,
        round(100 * figures.lost / Math.max(1, figures.lost + figures.passed)), "%", `${figures.passed} passed`)],
    ],
    lateMs: Math.max(lateMs, worstStallMs(report, fromMs)),
  };
}
