// How soon a client leaves servers that die, fall silent, fail or slow down, and that it leaves none for its own fault.
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { type Behaviour, machineMs, type Report, watchLateness } from "./fleet/messages.ts";
import { type NetworkNamespace, networkNamespace } from "./fleet/network-namespace.ts";
import { FleetCaller, FleetServer } from "./fleet/process.ts";
import { atMost, type Row, type RunOptions, type Scenario } from "./frame/rows.ts";

const servers = 5;
const callsPerSecond = 1_000;
/** Each case begins with so much traffic in which nothing happens. */
const warmUpMs = 1_200;
/**
 * A case that missed a goal while the event loop of a process that is well was later than this is repeated: what it
 * shows need not be the fault's. Where a goal is in milliseconds, little counts; where it is in seconds, more is borne.
 */
const fineStallMs = 30;
const coarseStallMs = 200;
const tries = 3;

export const scenario: Scenario = {
  about: "how soon a client leaves a server that dies, is silent, fails or is slow; and nobody for its own fault",
  async *run(options) {
    const fleet = new Fleet(options);
    try {
      await fleet.start();
      yield* killed(fleet);
      yield* silent(fleet);
      yield* unplugged(fleet);
      yield* misbehaving(fleet, "one in ten errors", { errors: 0.1 });
      yield* misbehaving(fleet, "ten times slower", { delayMs: 50 });
      yield* failingFast(fleet, "failing fast", 1);
      yield* failingFast(fleet, "failing fast every other time", 0.5);
      yield* stopped(fleet);
    } finally {
      await fleet.end();
    }
  },
};

/** What a case saw: its report, and when the fault began. */
interface Seen {
  readonly report: Report;
  readonly faultMs: number;
  /** By how much the machine stalled at worst, if that was too much; else 0. */
  readonly stalledMs: number;
}

interface Case {
  readonly name: string;
  readonly lookMs: number;
  readonly stallMs: number;
  /** Begins the fault and answers when. */
  readonly fault: () => Promise<number> | number;
  /** How long the machine took to bring the fault about, in milliseconds; undefined for what takes no time. */
  readonly faultTookMs?: () => number;
  readonly heal: () => Promise<unknown> | void;
  readonly rows: (seen: Seen) => readonly Row[];
}

class Fleet {
  readonly options: RunOptions;
  readonly servers: FleetServer[] = [];
  readonly #ownLatenessMs = watchLateness();
  caller!: FleetCaller;

  constructor(options: RunOptions) {
    this.options = options;
  }

  async start(): Promise<void> {
    this.options.progress(`starting ${servers} servers and a caller`);
    this.caller = await FleetCaller.start();
    for (let i = 0; i < servers; i++) this.servers.push(await FleetServer.start());
  }

  /** The first server, which is the one that suffers. */
  get victim(): FleetServer {
    const first = this.servers.at(0);
    if (first === undefined) throw new Error("no servers were started");
    return first;
  }

  async replaceVictim(by?: FleetServer): Promise<void> {
    await this.victim.end();
    this.servers[0] = by ?? await FleetServer.start();
  }

  /** Plays a case: traffic, the fault, and so much time to look at. Repeats it where a stall may have spoilt it. */
  async play({ name, lookMs, stallMs, fault, faultTookMs, heal, rows }: Case): Promise<readonly Row[]> {
    for (let attempt = 1; ; attempt++) {
      this.options.progress(`${name}${attempt > 1 ? `, again: the machine stalled` : ""}`);
      await this.caller.begin(this.servers, callsPerSecond);
      await sleep(warmUpMs);
      await this.latenessMs();
      const faultMs = await fault();
      await sleep(lookMs);
      const othersMs = await this.latenessMs();
      const report = await this.caller.report();
      await heal();
      const stalledMs = report.stalls.reduce((worst, [atMs, lateMs]) =>
        (atMs > faultMs - 500 ? Math.max(worst, lateMs) : worst), Math.max(othersMs, faultTookMs?.() ?? 0));
      const made = rows({ report, faultMs, stalledMs: stalledMs > stallMs ? stalledMs : 0 });
      if (attempt === tries || !made.some(({ goal, met }) => goal !== null && met === null)) return made;
    }
  }

  /** How late this process and the servers that are well were at worst since this was asked last. */
  async latenessMs(): Promise<number> {
    const servers = await Promise.all(this.servers.slice(1).map((one) => one.latenessMs()));
    return Math.max(this.#ownLatenessMs(), ...servers);
  }

  async end(): Promise<void> {
    await Promise.all([...this.servers, this.caller].map((one) => one?.end()));
  }
}

/** When the victim was last called, after the fault, in milliseconds. */
function lastCallMs({ report, faultMs }: Seen): number {
  return report.picks.reduce((last, [atMs, server]) => (server === 0 ? Math.max(last, atMs - faultMs) : last), 0);
}

/** The victim's share of the calls from then to then, after the fault. */
function share({ report, faultMs }: Seen, fromMs: number, toMs = Infinity): number {
  const then = report.picks.filter(([atMs]) => atMs >= faultMs + fromMs && atMs < faultMs + toMs);
  return then.length === 0 ? 0 : then.filter(([, server]) => server === 0).length / then.length;
}

/** A goal that was missed while the machine stalled is not known to be missed. */
function row(seen: Seen, property: string, value: number, most: number, unit: string, note?: string): Row {
  const made = atMost("detect", property, Number(value.toPrecision(4)), most, unit);
  if (made.met === true) return made;
  const stalled = seen.stalledMs > 0 ? `the machine stalled for ${Math.round(seen.stalledMs)} ms` : undefined;
  const notes = [note, stalled].filter((one) => one !== undefined).join("; ");
  return { ...made, met: stalled === undefined ? made.met : null, ...(notes === "" ? undefined : { note: notes }) };
}

/** When the client took the victim out, and why: told, since goals are set for the calls. */
function outAfter({ report, faultMs }: Seen, name: string): Row {
  const out = report.changes.find(({ atMs, server, status }) => server === 0 && status !== "ready" && atMs >= faultMs);
  return {
    scenario: "detect", property: `${name}: out after`,
    value: out === undefined ? null : Math.round(out.atMs - faultMs),
    unit: "ms", goal: null, met: null,
    note: out === undefined ? "never" : `${out.status}: ${out.why}`,
  };
}

/** Calls that failed as their users saw them, for faults that another server makes good. */
function failedCalls(name: string, seen: Seen): Row {
  const failures = seen.report.failures.filter(([atMs]) => atMs >= seen.faultMs);
  return row(seen, `${name}: calls that failed`, failures.length, 0, "calls", failures[0]?.[1]);
}

/** Those others that lost their place without a fault of theirs. */
function falselyAccused(name: string, seen: Seen): Row {
  const accused = seen.report.changes.filter(({ atMs, server, status }) =>
    atMs >= seen.faultMs && server !== 0 && (status === "ejected" || status === "suspect"));
  return row(seen, `${name}: others convicted`, accused.length, 0, "servers", accused[0]?.why);
}

async function *killed(fleet: Fleet): AsyncGenerator<Row> {
  const name = "killed";
  // On a busy machine a process that was killed must wait for its turn to die, and answers or stays silent until then.
  let tookMs = 0;
  yield* await fleet.play({
    name, lookMs: 800, stallMs: fineStallMs, faultTookMs: () => tookMs,
    fault: async () => {
      const exit = once(fleet.victim.child, "exit");
      const atMs = fleet.victim.signal("SIGKILL");
      await exit;
      tookMs = machineMs() - atMs;
      return atMs;
    },
    heal: () => fleet.replaceVictim(),
    rows: (seen) => [
      row(seen, `${name}: last new call to it`, lastCallMs(seen), 50, "ms"),
      failedCalls(name, seen), falselyAccused(name, seen),
    ],
  });
}

/** What is asked of every silence. */
function silenceRows(name: string): (seen: Seen) => readonly Row[] {
  return (seen) => [
    row(seen, `${name}: last new call to it`, lastCallMs(seen), 400, "ms"), outAfter(seen, name),
    failedCalls(name, seen), falselyAccused(name, seen),
  ];
}

async function *silent(fleet: Fleet): AsyncGenerator<Row> {
  const name = "silent, stopped";
  yield* await fleet.play({
    name, lookMs: 1_200, stallMs: fineStallMs, rows: silenceRows(name),
    fault: () => fleet.victim.signal("SIGSTOP"), heal: () => void fleet.victim.signal("SIGCONT"),
  });
}

async function *unplugged(fleet: Fleet): AsyncGenerator<Row> {
  const name = "silent, packets dropped";
  const inside = await insideNamespace();
  if (typeof inside === "string") {
    const property = `${name}: last new call to it`;
    yield { scenario: "detect", property, value: null, unit: "ms", goal: "at most 400", met: null, note: inside };
    return;
  }
  const { namespace, server } = inside;
  try {
    await fleet.replaceVictim(server);
    yield* await fleet.play({
      name, lookMs: 1_200, stallMs: fineStallMs, rows: silenceRows(name),
      fault: () => {
        const atMs = machineMs();
        namespace.drop();
        return atMs;
      },
      heal: () => namespace.restore(),
    });
  } finally {
    await fleet.replaceVictim();
    namespace.close();
  }
}

async function insideNamespace(): Promise<{ namespace: NetworkNamespace; server: FleetServer } | string> {
  const namespace = networkNamespace();
  if (typeof namespace === "string") return `no network namespace here: ${namespace}`;
  try {
    return { namespace, server: await FleetServer.start(namespace.host, namespace.prefix) };
  } catch (error) {
    namespace.close();
    return `no server in a network namespace: ${(error as Error).message}`;
  }
}

async function *misbehaving(fleet: Fleet, name: string, behaviour: Partial<Behaviour>): AsyncGenerator<Row> {
  yield* await fleet.play({
    name, lookMs: fleet.options.quick ? 3_500 : 8_000, stallMs: coarseStallMs,
    fault: () => fleet.victim.behave(behaviour), heal: () => fleet.victim.behave({}),
    rows: (seen) => [
      row(seen, `${name}: share of the traffic after 2 s`, 100 * share(seen, 2_000), 1.5, "%"), outAfter(seen, name),
      falselyAccused(name, seen),
    ],
  });
}

async function *failingFast(fleet: Fleet, name: string, errors: number): AsyncGenerator<Row> {
  const lookMs = 1_500;
  const windowMs = 250;
  const windows = Array.from({ length: lookMs / windowMs }, (_, i) => i * windowMs);
  yield* await fleet.play({
    name, lookMs, stallMs: coarseStallMs,
    fault: () => fleet.victim.behave({ errors, fast: true }), heal: () => fleet.victim.behave({}),
    rows: (seen) => [
      row(seen, `${name}: greatest share in ${windowMs} ms`,
        Math.max(...windows.map((fromMs) => 100 * share(seen, fromMs, fromMs + windowMs))), 100 / servers, "%"),
      row(seen, `${name}: share after 1 s`, 100 * share(seen, 1_000), 1.5, "%"), outAfter(seen, name),
    ],
  });
}

/** The observer stands still: whatever it finds when it wakes, it is its own fault. */
async function *stopped(fleet: Fleet): AsyncGenerator<Row> {
  const stopMs = fleet.options.quick ? 3_000 : 20_000;
  const name = `observer stopped for ${stopMs / 1_000} s`;
  fleet.options.progress(name);
  await fleet.caller.begin(fleet.servers, callsPerSecond);
  await sleep(warmUpMs);
  fleet.caller.signal("SIGSTOP");
  await sleep(stopMs);
  await fleet.latenessMs();
  const wokeMs = fleet.caller.signal("SIGCONT");
  await sleep(2_500);
  const lateMs = await fleet.latenessMs();
  const report = await fleet.caller.report();
  const seen = { report, faultMs: wokeMs, stalledMs: lateMs > coarseStallMs ? lateMs : 0 };
  const convicted = report.changes.filter(({ atMs, status }) =>
    atMs >= wokeMs && status !== "ready" && status !== "busy" && status !== "closed");
  yield row(seen, `${name}: servers convicted on waking`, convicted.length, 0, "servers", convicted[0]?.why);
  const calls = report.picks.filter(([atMs]) => atMs > wokeMs + 500).length;
  yield {
    scenario: "detect", property: "observer stopped: calls in the 2 s from half a second later", value: calls,
    unit: "calls", goal: `at least ${callsPerSecond}`, met: calls >= callsPerSecond,
  };
}
