// C3's simulation: fifty servers of four workers whose speed is drawn anew every T milliseconds, and keys that three of
// them hold.
import type { LoadReport, Picker, Runtime } from "../../src/core/index.ts";
import { c3, leastDelay, leastRequests, peakEwma, random as dice } from "../../src/balance/index.ts";
import { type LatencyByLoad, latencyByLoad } from "../../src/server/latency-by-load.ts";
import { Agenda } from "./agenda.ts";
import { RateControl } from "./c3-rate.ts";
import { exponential, seeded } from "./chance.ts";
import { type Call, reportOf, Seen, send, type Server, type Traffic } from "./clients.ts";

const serverCount = 50;
const workers = 4;
const meanMs = 4;
const fast = 3;
const copies = 3;

class QueueServer implements Server {
  speed = 1;
  readonly #agenda: Agenda;
  readonly #random: ReturnType<typeof seeded>;
  readonly #latencies: LatencyByLoad;
  readonly #tellsService: boolean;
  readonly #waiting: Call[] = [];
  #first = 0;
  #busy = 0;
  /** Moving average of the time that a call is worked on. */
  #serviceMs = meanMs;

  constructor(agenda: Agenda, random: ReturnType<typeof seeded>, tellsService: boolean) {
    this.#agenda = agenda;
    this.#random = random;
    this.#tellsService = tellsService;
    this.#latencies = latencyByLoad({ clock: agenda.clock });
  }

  get inFlight(): number {
    return this.#busy + this.#waiting.length - this.#first;
  }

  begin(call: Call): void {
    if (this.#busy < workers) this.#work(call);
    else this.#waiting.push(call);
  }

  cancel(): void {
    // There are no deadlines in this world.
  }

  /** C3's servers tell how long they work at a call; ours, how long it takes with the waiting. */
  report(inFlight: number): LoadReport {
    return reportOf(inFlight, this.#tellsService ? this.#serviceMs : this.#latencies.at(inFlight));
  }

  #work(call: Call): void {
    this.#busy++;
    const tookMs = exponential(this.#random, meanMs / this.speed);
    this.#agenda.add(this.#agenda.nowMs + tookMs, { happen: () => {
      this.#busy--;
      this.#serviceMs += 0.1 * (tookMs - this.#serviceMs);
      this.#latencies.ended(this.inFlight, this.#agenda.nowMs - call.arrivedMs);
      const next = this.#waiting[this.#first];
      if (next !== undefined) {
        this.#first++;
        if (this.#first >= 1_024) {
          this.#waiting.splice(0, this.#first);
          this.#first = 0;
        }
        this.#work(next);
      }
      call.done();
    } });
  }
}

/** The least of a figure, from a random one on. */
function least(random: Runtime["random"], of: (seen: Seen) => number): Picker {
  return (candidates) => {
    const n = candidates.length;
    const first = Math.floor(random.next() * n);
    let best = candidates[first];
    let lowest = Infinity;
    for (let i = 0; i < n; i++) {
      const one = candidates[(first + i) % n];
      const value = of(one as unknown as Seen);
      if (value >= lowest) continue;
      lowest = value;
      best = one;
    }
    return best;
  };
}

/** When a call that came now would be done: what is queued for a worker, and its own time. */
function expectedMs({ server }: Seen): number {
  const { inFlight, speed } = server as QueueServer;
  return (meanMs / speed) * (1 + Math.max(0, inFlight + 1 - workers) / workers);
}

type Dice = Pick<Runtime, "clock" | "random">;
const makers = {
  "random": ({ random }) => dice(random),
  "least outstanding": ({ random }) => least(random, ({ load }) => load.inFlight),
  "peak EWMA": (runtime) => peakEwma(runtime),
  "C3, no rate control": (runtime, clients) => c3(runtime, { clients }),
  "C3": (runtime, clients) => c3(runtime, { clients }),
  "ours, by default": ({ random }) => leastRequests(random),
  "ours, least delay": ({ random }) => leastDelay(random),
  "shortest queue": ({ random }) => least(random, ({ server }) => server.inFlight),
  "clairvoyant": ({ random }) => least(random, expectedMs),
} satisfies Readonly<Record<string, (runtime: Dice, clients: number) => Picker>>;

export type C3Policy = keyof typeof makers;

export interface C3Case {
  readonly policy: C3Policy;
  readonly seed: number;
  readonly clients: number;
  /** How often speeds are drawn, in milliseconds. */
  readonly everyMs: number;
  readonly utilisation: number;
  readonly requests: number;
}

/** What calls took, in order of length; the first tenth of them only fills the world. */
export function runC3({ policy, seed, clients, everyMs, utilisation, requests }: C3Case): Float64Array {
  const agenda = new Agenda();
  const random = seeded(seed * 7_919 + 1);
  const servers = Array.from({ length: serverCount }, () => {
    const server = new QueueServer(agenda, seeded(random.next() * 2 ** 32), policy.startsWith("C3"));
    const speeds = seeded(random.next() * 2 ** 32);
    const change = {
      happen(): void {
        server.speed = speeds.next() < 0.5 ? 1 : fast;
        agenda.add(agenda.nowMs + everyMs, change);
      },
    };
    change.happen();
    return server;
  });
  const tookMs: number[] = [];
  const traffic: Traffic = {
    agenda, oneWayMs: 0.25, deadlineMs: Infinity, probes: 0, ended: (ms) => void tookMs.push(ms),
  };
  const makePicker: (runtime: Dice, clients: number) => Picker = makers[policy];
  const callers = Array.from({ length: clients }, () => {
    const runtime = { clock: agenda.clock as Runtime["clock"], random: seeded(random.next() * 2 ** 32) };
    const seen = servers.map((server, i) => new Seen(`server-${i}`, server, traffic));
    const holders = seen.map((_, i) => Array.from({ length: copies }, (__, k) => seen[(i + k) % serverCount] as Seen));
    const picker = makePicker(runtime, clients);
    return { picker, holders, rates: policy === "C3" ? new RateControl(traffic, picker) : undefined };
  });
  const perMs = serverCount * workers * ((1 + fast) / 2 / meanMs) * utilisation;
  let sent = 0;
  const arrivals = seeded(random.next() * 2 ** 32);
  const next = {
    happen(): void {
      if (sent === requests) return;
      agenda.add(agenda.nowMs + exponential(arrivals, 1 / perMs), next);
      const { picker, holders, rates } = callers[Math.floor(arrivals.next() * clients)] as (typeof callers)[number];
      const among = holders[Math.floor(arrivals.next() * serverCount)] as readonly Seen[];
      const counts = sent++ >= requests / 10;
      if (rates === undefined) send(traffic, picker, among, 0, counts);
      else rates.send(among, counts);
    },
  };
  next.happen();
  while (tookMs.length < requests * 0.9 - 1) agenda.run(agenda.nowMs + 1_000);
  return Float64Array.from(tookMs).sort();
}
