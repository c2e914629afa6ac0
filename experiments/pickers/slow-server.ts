// Eleven servers that answer in 167 ms, one of which takes two seconds for half a minute, and one production client.
import * as z from "zod";
import { leastDelay, leastRequests, peakEwma, roundRobin } from "../../src/balance/index.ts";
import type { ClientOptions } from "../../src/client/create-client.ts";
import { rpc, service } from "../../src/contract/index.ts";
import type { Runtime } from "../../src/core/index.ts";
import { createWorld, openLoop, simulatedClient, simulatedServer, truncatedNormal } from "../../src/sim/index.ts";
import { quantile } from "../frame/rows.ts";

const Replay = service("slow.v1.Replay", {
  get: rpc({ input: z.object({}), output: z.object({}), idempotent: true }),
});

export const policies = [
  "turns", "least requests", "peak EWMA", "least delay", "ours, no hedging", "ours", "bound",
] as const;
export type Policy = (typeof policies)[number];

/** Only the picker differs: nobody is ejected, nothing is tried again. */
const alone = { outliers: false, retry: false, hedge: false } as const;

const options: Readonly<Record<Policy, (runtime: Runtime) => Partial<ClientOptions>>> = {
  "turns": () => ({ ...alone, picker: roundRobin() }),
  "least requests": ({ random }) => ({ ...alone, picker: leastRequests(random) }),
  "peak EWMA": (runtime) => ({ ...alone, picker: peakEwma(runtime) }),
  "least delay": ({ random }) => ({ ...alone, picker: leastDelay(random) }),
  "ours, no hedging": () => ({ hedge: false }),
  "ours": () => ({}),
  // Who knows: turns over those that are well.
  "bound": () => ({ ...alone, picker: roundRobin() }),
};

export interface SlowServerCase {
  readonly policy: Policy;
  readonly seed: number;
  /** 60 as published; fewer for a quick look, of which the last half of the illness is cut off. */
  readonly seconds: number;
}

export interface SlowServer {
  readonly calls: number;
  readonly lost: number;
  readonly attempts: number;
  /** Attempts that came to the slow server while it was. */
  readonly toSlow: number;
  readonly p999Ms: number;
  readonly digest: string;
}

const servers = 11;
const perSecond = 1_000;
const timeoutMs = 1_000;
/** Connections open and the first replies are back before the minute begins. */
const beginMs = 2_000;
const slowFromMs = beginMs + 15_000;
const slowUntilMs = beginMs + 45_000;

export async function runSlowServer({ policy, seed, seconds }: SlowServerCase): Promise<SlowServer> {
  const world = createWorld({ seed: `slow server ${seed}`, link: { latencyMs: 0.25 } });
  const usual = truncatedNormal(166.5, 5);
  let toSlow = 0;
  for (let i = 0; i < servers; i++) {
    const isIll = (nowMs: number): boolean =>
      i === 0 && policy !== "bound" && nowMs >= slowFromMs && nowMs < slowUntilMs;
    simulatedServer(world, Replay, {
      host: `server-${i}`, workers: 100_000, admission: false, abandoned: "stop", handlers: {
        get: async (_request: unknown, context, place) => {
          const ill = isIll(world.nowMs);
          if (ill) toSlow++;
          await place.station.serve(ill ? 2_000 : usual.sample(place.random), context);
          return {};
        },
      },
    });
  }
  let attempts = 0;
  const client = simulatedClient(world, Replay, {
    timeoutMs, ...options[policy](world.host("client")), observer: { attemptEnded: () => void attempts++ },
  });
  const tookMs: number[] = [];
  let lost = 0;
  const untilMs = beginMs + seconds * 1_000;
  openLoop(world, {
    rate: perSecond, beginMs, untilMs,
    call: () => client.get({}),
    ended: (_, dueMs, endedMs, error) => {
      if (error !== undefined) lost++;
      tookMs.push(error === undefined ? endedMs - dueMs : timeoutMs);
    },
  });
  await world.run(untilMs + 3_000);
  client.$.close();
  return { calls: tookMs.length, lost, attempts, toSlow, p999Ms: quantile(tookMs, 0.999), digest: world.digest };
}
