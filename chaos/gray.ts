// One server errs now and then, limps, or is heard without hearing: what calls notice of it, and what it still gets.
import type { LedgerBehaviour } from "./fleet/ledger.ts";
import { machineMs } from "./fleet/messages.ts";
import { type NetworkNamespace, networkNamespace } from "./fleet/network-namespace.ts";
import { type LedgerServer, onStage, type Played, type Stage } from "./fleet/stage.ts";
import { commonErrors, due, goodPercent, picksAt, round, worstStallMs } from "./frame/figures.ts";
import { atLeast, atMost, notMeasured, type Row, type Scenario, told, withNote } from "./frame/rows.ts";

const name = "gray";
const fleet = 5;
const server = { workers: 16, workMs: 5 };

export const scenario: Scenario = {
  about: "one server limps, errs one time in twenty, or is cut off one way: calls do not notice",
  run: (options) => onStage(options, gray),
};

interface Fault {
  readonly name: string;
  begin(): Promise<unknown> | void;
  end(): Promise<unknown> | void;
}

async function *gray(stage: Stage): AsyncGenerator<Row> {
  const cable = networkNamespace();
  try {
    stage.options.progress(`gray failures: starting ${fleet} servers`);
    const [victim] = await (typeof cable === "string" ? stage.servers([server])
      : stage.servers([{ ...server, host: cable.host }], cable.prefix)) as [LedgerServer];
    const others = await stage.servers(Array.from({ length: fleet - 1 }, () => server));
    const faults: Fault[] = [
      behaving(victim, "ten times slower", { slowness: 10 }),
      behaving(victim, "5 % errors", { errors: 0.05 }),
      ...typeof cable === "string" ? [] : partitions(cable),
    ];
    for (const fault of stage.options.quick ? faults.slice(1, 3) : faults) {
      yield* await stage.play(fault.name, () => played(stage, { victim, others, fault }));
    }
    if (typeof cable === "string") {
      yield notMeasured(name, "hears but is not heard: calls that succeeded", "at least 99.97",
        `no network namespace here: ${cable}`);
    }
  } finally {
    if (typeof cable !== "string") cable.close();
  }
}

function behaving(victim: LedgerServer, what: string, behaviour: Partial<LedgerBehaviour>): Fault {
  return {
    name: what, begin: () => victim.behave(behaviour), end: () => victim.behave({ errors: 0, slowness: 1 }),
  };
}

function partitions(cable: NetworkNamespace): Fault[] {
  return [
    { name: "hears but is not heard", begin: () => cable.drop(), end: () => cable.restore() },
    { name: "is heard but does not hear", begin: () => cable.dropInward(), end: () => cable.restore() },
  ];
}

interface Cast {
  readonly victim: LedgerServer;
  readonly others: readonly LedgerServer[];
  readonly fault: Fault;
}

async function played(stage: Stage, { victim, others, fault }: Cast): Promise<Played> {
  const servers = [victim, ...others].map(({ address }) => ({ address }));
  await stage.begin([{ name: "callers", perSecond: 1_000, servers }]);
  await stage.wait(1_500);
  await stage.latenessMs(others);
  const faultMs = machineMs();
  await fault.begin();
  await stage.wait(stage.options.quick ? 4_000 : 7_000);
  const untilMs = machineMs();
  const lateMs = await stage.latenessMs(others);
  const report = await stage.report();
  await fault.end();
  const at = (address: string): boolean => address === victim.address;
  const share = (fromMs: number): number => round(100 * picksAt(report, fromMs, untilMs, { at }).length /
    Math.max(1, picksAt(report, fromMs, untilMs).length));
  const out = report.changes.find(({ atMs, server: which, status }) =>
    atMs >= faultMs && report.servers[which] === victim.address && status !== "ready");
  const accused = report.changes.filter(({ atMs, server: which, status }) => atMs >= faultMs && atMs < untilMs &&
    report.servers[which] !== victim.address && (status === "ejected" || status === "suspect"));
  const good = goodPercent(due(report, faultMs - 500, untilMs - 1_000));
  return {
    rows: [
      withNote(atLeast(name, `${fault.name}: calls that succeeded within a second`,
        Math.floor(good * 1_000) / 1_000, 99.97, "%"), commonErrors(report)),
      atMost(name, `${fault.name}: share of the traffic after 2 s`, share(faultMs + 2_000), 1.5, "%"),
      told(name, `${fault.name}: out after`, out === undefined ? null : Math.round(out.atMs - faultMs), "ms",
        out === undefined ? "never" : `${out.status}: ${out.why}`),
      atMost(name, `${fault.name}: others convicted`, accused.length, 0, "servers"),
    ],
    lateMs: Math.max(lateMs, worstStallMs(report, faultMs)),
  };
}
