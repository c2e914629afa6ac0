// Prequal's testbed: clients and servers, each server with four processors of its own and what its neighbours on the
// machine leave it of the rest.
import type { Picker, Runtime } from "../../src/core/index.ts";
import { c3, leastDelay, leastRequests, peakEwma, prequal, roundRobin } from "../../src/balance/index.ts";
import { Schedule } from "../../src/balance/schedule.ts";
import { Agenda } from "./agenda.ts";
import { exponential, seeded, truncatedNormal } from "./chance.ts";
import { Seen, send, type Traffic } from "./clients.ts";
import { SharedServer } from "./shared-server.ts";

export interface PrequalCase {
  readonly policy: PrequalPolicy;
  readonly seed: number;
  readonly clients: number;
  readonly servers: number;
  /** Offered work, of what the servers' own processors can do. */
  readonly load: number;
  readonly warmMs: number;
  readonly measuredMs: number;
  /** `neighbours`: processors come and go, and 15 % of machines are at 0.6 speed; `halves`: half at half speed. */
  readonly machines: "neighbours" | "halves";
  /** Of Prequal's port, where it is not the default. */
  readonly hotQuantile?: number;
}

export interface PrequalOutcome {
  /** Failed calls among them, at the deadline. */
  readonly tookMs: Float64Array;
  readonly failed: number;
  readonly probesPerCall: number;
  /** Calls in flight at the servers when calls are sent, sampled. */
  readonly inFlight: Float64Array;
}

type Dice = Pick<Runtime, "clock" | "random">;
type MakePicker = (runtime: Dice, servers: readonly SharedServer[]) => Picker;

const processors = 4;
const deadlineMs = 5_000;

/** What is known to nobody: the picker that sees every server as it is now. */
function clairvoyant(expected: (server: SharedServer) => number): MakePicker {
  return ({ random }) => (candidates) => {
    const n = candidates.length;
    const first = Math.floor(random.next() * n);
    let best = candidates[first];
    let least = Infinity;
    for (let i = 0; i < n; i++) {
      const seen = candidates[(first + i) % n];
      const score = expected((seen as unknown as Seen).server as SharedServer);
      if (score >= least) continue;
      least = score;
      best = seen;
    }
    return best;
  };
}

/** Two drawn, and the one with fewer in flight as it was at the last poll, every half second (YARP). */
const polledTwo: MakePicker = ({ clock, random }, servers) => {
  let polledMs = -Infinity;
  let inFlight: readonly number[] = [];
  return (candidates) => {
    if (clock.now() - polledMs >= 500) {
      polledMs = clock.now();
      inFlight = servers.map((server) => server.inFlight);
    }
    const n = candidates.length;
    const one = Math.floor(random.next() * n);
    const other = (one + 1 + Math.floor(random.next() * (n - 1))) % n;
    return candidates[(inFlight[other] as number) < (inFlight[one] as number) ? other : one];
  };
};

/**
 * Weighted turns by what everybody knows after two seconds: calls done by processor time used (gRFC A58's form), the
 * weights smoothed by 0.3 and those of all clients alike.
 */
const weightedTurns: MakePicker = ({ clock }, servers) => {
  let untilMs = 0;
  let schedule: Schedule | undefined;
  const weights = new Float64Array(servers.length).fill(1);
  const before = servers.map(() => ({ ended: 0, busyMs: 0 }));
  return (candidates) => {
    if (clock.now() >= untilMs) {
      servers.forEach((server, i) => {
        const last = before[i] as { ended: number; busyMs: number };
        const [ended, busyMs] = [server.ended - last.ended, server.busyMs - last.busyMs];
        before[i] = { ended: server.ended, busyMs: server.busyMs };
        if (ended > 0 && busyMs > 0) weights[i] = (weights[i] as number) * 0.7 + 0.3 * 80 * ended / busyMs;
      });
      untilMs = clock.now() + 2_000;
      schedule = new Schedule(weights, schedule?.now);
    }
    return candidates[(schedule as Schedule).next()];
  };
};

const makers = {
  "turns": () => roundRobin(),
  "weighted turns": weightedTurns,
  "ours, by default": ({ random }) => leastRequests(random),
  "polled two": polledTwo,
  "peak EWMA": (runtime) => peakEwma(runtime),
  "C3 of 16": (runtime) => c3(runtime),
  "Prequal": (runtime) => prequal(runtime, { piggyBack: false }),
  "ours, least delay": ({ random }) => leastDelay(random),
  "clairvoyant": clairvoyant((server) => 1 / (server.speed * Math.min(1, server.processors / (server.inFlight + 1)))),
} satisfies Readonly<Record<string, MakePicker>>;

export type PrequalPolicy = keyof typeof makers;

export function runPrequal(one: PrequalCase): PrequalOutcome {
  const { seed, clients, load, machines } = one;
  const agenda = new Agenda();
  const random = seeded(seed * 7_919 + 1);
  const servers = Array.from({ length: one.servers }, (_, i) => {
    if (machines === "halves") return new SharedServer(agenda, processors, i % 2 === 0 ? 0.5 : 1);
    return new SharedServer(agenda, 2.5 * processors, i < one.servers * 0.15 ? 0.6 : 1);
  });
  if (machines === "neighbours") {
    for (const server of servers) withNeighbours(agenda, server, seeded(random.next() * 2 ** 32));
  }
  const tookMs: number[] = [];
  let failed = 0;
  const traffic: Traffic = {
    agenda, oneWayMs: 0.25, deadlineMs, probes: 0,
    ended: (ms, isFailed) => {
      tookMs.push(isFailed ? deadlineMs : ms);
      if (isFailed) failed++;
    },
  };
  const fromMs = one.warmMs;
  const untilMs = fromMs + one.measuredMs;
  // Of the cut-off normal distribution of mean and deviation 62.5 ms the mean is 80.5 ms.
  const callsPerMs = one.servers * processors * load / 80.5;
  const inFlight: number[] = [];
  const makePicker: MakePicker = makers[one.policy];
  for (let client = 0; client < clients; client++) {
    const dice = { clock: agenda.clock as Runtime["clock"], random: seeded(random.next() * 2 ** 32) };
    const seen = servers.map((server, i) => new Seen(`server-${i}`, server, traffic));
    const picker = one.policy === "Prequal" && one.hotQuantile !== undefined
      ? prequal(dice, { piggyBack: false, hotQuantile: one.hotQuantile })
      : makePicker(dice, servers);
    const arrivals = seeded(random.next() * 2 ** 32);
    const next = {
      happen(): void {
        const { nowMs } = agenda;
        if (nowMs >= untilMs) return;
        agenda.add(nowMs + exponential(arrivals, clients / callsPerMs), next);
        const counts = nowMs >= fromMs;
        send(traffic, picker, seen, truncatedNormal(arrivals, 62.5, 62.5), counts);
        if (counts && (inFlight.length < 5_000 || arrivals.next() < 0.01)) {
          inFlight.push((servers[Math.floor(arrivals.next() * servers.length)] as SharedServer).inFlight);
        }
      },
    };
    agenda.add(exponential(arrivals, clients / callsPerMs), next);
  }
  agenda.run(fromMs);
  traffic.probes = 0;
  agenda.run(untilMs);
  const { probes } = traffic;
  agenda.run(untilMs + deadlineMs + 10);
  return {
    tookMs: Float64Array.from(tookMs).sort(), failed, probesPerCall: probes / tookMs.length,
    inFlight: Float64Array.from(inFlight).sort(),
  };
}

/** A quarter of the time its neighbours leave it 0.65 of its own processors, otherwise it has 2.5 times as many. */
function withNeighbours(agenda: Agenda, server: SharedServer, random: ReturnType<typeof seeded>): void {
  let isContended = random.next() < 0.25;
  const change = {
    happen(): void {
      server.processors = (isContended ? 0.65 : 2.5) * processors;
      agenda.add(agenda.nowMs + exponential(random, isContended ? 6_000 : 18_000), change);
      isContended = !isContended;
    },
  };
  change.happen();
}

export function quantileOf(sorted: Float64Array, p: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))] ?? NaN;
}
