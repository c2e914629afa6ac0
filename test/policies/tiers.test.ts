// Retries over three tiers of services while the last one fails: what becomes of a call, at each hop and over all.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { createClientOn, type ClientOptions } from "../../src/client/index.ts";
import { rpc, service } from "../../src/contract/index.ts";
import { type Context, endpointAddress, expected, type Picker, RpcError, type Runtime } from "../../src/core/index.ts";
import { createGatewayOn } from "../../src/gateway/index.ts";
import { connect, grpc, native, type Protocol } from "../../src/protocol/index.ts";
import { createSimulation, type Simulation } from "../../src/runtime/sim/index.ts";
import { createServerOn } from "../../src/server/index.ts";

const Hop = service("tiers.v1.Hop", {
  go: rpc({ input: z.object({}), output: z.object({}), idempotent: true }),
});

const tiers = ["a", "b", "c"] as const;
/** Attempts begun at a tier, or calls, by the second. */
type Seconds = number[];

const count = (seconds: Seconds, nowMs: number): void => {
  const second = Math.floor(nowMs / 1_000);
  seconds[second] = (seconds[second] ?? 0) + 1;
};

interface Arrival {
  readonly at: string;
  readonly attempt: number;
  readonly prior: number;
}

interface Chain {
  readonly client: ReturnType<typeof createClientOn<typeof Hop>>;
  readonly attempts: Readonly<Record<(typeof tiers)[number], Seconds>>;
  readonly arrivals: Arrival[];
  /** Whether the last tier fails a call. */
  fails: (context: Context) => boolean;
}

interface ChainOptions {
  readonly protocol?: Protocol;
  readonly gateway?: boolean;
  readonly client?: Partial<ClientOptions>;
}

/** callers -> a -> b -> c, two servers each; with `gateway` that stands before a. */
async function chain(simulation: Simulation, { protocol = native(), gateway, client }: ChainOptions = {}) {
  const made: Chain = {
    client: undefined as never, attempts: { a: [], b: [], c: [] }, arrivals: [], fails: () => false,
  };
  const clientOf = (runtime: Runtime, address: readonly string[], to: (typeof tiers)[number]) =>
    createClientOn(runtime, Hop, {
      address, protocol, ...client,
      routing: (makePicker) => counted(makePicker(), () => count(made.attempts[to], runtime.clock.now())),
    });
  const serve = async (name: string, tier: string, next: readonly string[] | undefined): Promise<string> => {
    const runtime = simulation.host(name);
    const onward = next && clientOf(runtime, next, tier === "a" ? "b" : "c");
    return createServerOn(runtime).implement(Hop, {
      go: async (_, context) => {
        made.arrivals.push({ at: tier, attempt: context.attempt, prior: context.priorAttempts });
        if (onward !== undefined) return onward.go({}, { context });
        await new Promise<void>((resolve) => void runtime.clock.after(1, resolve));
        if (made.fails(context)) throw expected("unavailable", "told to fail");
        return {};
      },
    }).listen({ host: name, port: 1 });
  };
  let next: readonly string[] | undefined;
  for (const tier of tiers.toReversed()) {
    next = await Promise.all([1, 2].map((i) => serve(`${tier}${i}`, tier, next)));
  }
  const first = next as readonly string[];
  const called = gateway !== true ? first : [await createGatewayOn(simulation.host("gateway"), {
    region: "eu", client: { protocol },
    discovery: {
      watch(name, watcher) {
        watcher.snapshot(name === Hop.name ? first.map((address) => endpointAddress({ address, region: "eu" })) : []);
        return () => undefined;
      },
    },
  }).listen({ host: "gateway", port: 1 })];
  return Object.assign(made, { client: clientOf(simulation.host("front"), called, "a") });
}

function counted(inner: Picker, onPick: () => void): Picker {
  const pick: Picker = (candidates, context) => {
    const picked = inner(candidates, context);
    if (picked !== undefined) onPick();
    return picked;
  };
  return Object.assign(pick, { seesAll: inner.seesAll ?? false });
}

/** Calls that know nothing of each other; each second's number of them. */
async function load(simulation: Simulation, { client }: Chain, perSecond: number, seconds: number): Promise<Seconds> {
  const { clock, random } = simulation.host("front");
  const calls: Seconds = [];
  const all: Promise<unknown>[] = [];
  const untilMs = clock.now() + seconds * 1_000;
  for (let dueMs = clock.now(); dueMs < untilMs; dueMs -= Math.log(1 - random.next()) * 1_000 / perSecond) {
    if (dueMs > clock.now()) await new Promise<void>((resolve) => void clock.after(dueMs - clock.now(), resolve));
    count(calls, clock.now());
    all.push(client.go({}, { timeoutMs: 1_000 }).catch(() => undefined));
  }
  await Promise.all(all);
  return calls;
}

for (const share of [0.5, 1]) {
  for (const gateway of [false, true]) {
    const where = gateway ? ", behind a gateway" : "";
    test(`the last of three tiers fails ${share * 100} %${where}: at most 1.2 attempts in any second`, async (t) => {
      const simulation = createSimulation({ seed: 7, link: { latencyMs: 0.5, jitterMs: 0.2 } });
      await simulation.runUntil((async () => {
        const made = await chain(simulation, { gateway });
        const { random, clock } = simulation.host("front");
        await load(simulation, made, 1_000, 2.5);
        const fromSecond = Math.ceil(clock.now() / 1_000);
        await new Promise<void>((resolve) => void clock.after(fromSecond * 1_000 - clock.now(), resolve));
        made.fails = () => random.next() < share;
        const calls = await load(simulation, made, 1_000, 3);
        const ratio = (attempts: Seconds, second: number): number =>
          (attempts[second] ?? 0) / (calls[second] ?? Infinity);
        const figures = (tier: (typeof tiers)[number]): string => calls.slice(fromSecond)
          .map((_, i) => ratio(made.attempts[tier], fromSecond + i).toFixed(3)).join(" ");
        t.diagnostic(tiers.map((tier) => `${tier} ${figures(tier)}`).join("; "));
        for (let second = fromSecond; second < fromSecond + 3; second++) {
          for (const tier of tiers) {
            assert.ok(ratio(made.attempts[tier], second) <= 1.2,
              `${ratio(made.attempts[tier], second)} attempts a call at ${tier} in second ${second - fromSecond}`);
          }
        }
        // Nobody gave up repeating altogether.
        assert.ok((made.attempts.c[fromSecond] ?? 0) > (calls[fromSecond] ?? 0) * 1.01);
      })(), 600_000);
    });
  }
}

for (const protocol of [native(), grpc(), connect()]) {
  test(`attempts add up over tiers and do not multiply: ${protocol.name}`, async () => {
    const simulation = createSimulation({ seed: 7, link: { latencyMs: 0.5 } });
    await simulation.runUntil((async () => {
      // Nobody is kept out, and everybody may repeat as often as they like.
      const budget = { minPerSecond: 1_000 };
      const made = await chain(simulation, { protocol, client: { outliers: false, hedge: false, retry: { budget } } });
      made.fails = () => true;
      await assert.rejects(made.client.go({}, { timeoutMs: 10_000 }), { code: "unavailable" });
      // 3 of the first, then 3 + 2 + 1 of each of those at the second, and so on: 10 instead of 27.
      const at = (tier: string) => made.arrivals.filter((one) => one.at === tier);
      assert.deepEqual(tiers.map((tier) => at(tier).length), [3, 6, 10]);
      for (const { attempt, prior } of made.arrivals) assert.ok(attempt + prior < 3, `${attempt} after ${prior}`);
      assert.deepEqual(at("b").map(({ attempt, prior }) => `${prior}+${attempt}`),
        ["0+0", "0+1", "0+2", "1+0", "1+1", "2+0"]);
    })(), 60_000);
  });
}

test("a tier whose budget is spent forbids the repeat above it, and a client that works for nobody tells it as it is",
  async () => {
    const simulation = createSimulation({ seed: 7, link: { latencyMs: 0.5 } });
    await simulation.runUntil((async () => {
      const none = { ratio: 0, minPerSecond: 0, burstMs: 0 };
      const made = await chain(simulation, { client: { outliers: false, hedge: false, retry: { budget: none } } });
      made.fails = () => true;
      const error = await made.client.go({}).then(() => undefined, RpcError.from);
      assert.equal(error?.code, "unavailable");
      assert.equal(error.retryAfterMs, -1);
      assert.equal(made.arrivals.length, 3);

      const direct = createClientOn(simulation.host("alone"), Hop, { address: "c1:1", retry: { budget: none } });
      const own = await direct.go({}).then(() => undefined, RpcError.from);
      assert.equal(own?.code, "unavailable");
      assert.equal(own.retryAfterMs, undefined);
    })(), 60_000);
  });
