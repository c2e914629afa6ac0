/**
 * Retries and hedges as gRFC A6 has them, as a table of cases that is run over every wire: what the servers see of a
 * call's attempts, and when.
 */
import assert from "node:assert/strict";
import * as z from "zod";
import type { ClientOptions } from "../../src/client/create-client.ts";
import { type Client, type Handlers, rpc, service } from "../../src/contract/index.ts";
import { type Code, type Context, RpcError } from "../../src/core/index.ts";
import { retryThrottling } from "../../src/resilience/index.ts";

const input = z.object({ id: z.string() });
const output = z.object({ by: z.string() });

export const Tried = service("tried.v1.Tried", {
  get: rpc({ input, output, idempotent: true }),
  put: rpc({ input, output }),
  list: rpc({ kind: "server_stream", input, output, idempotent: true }),
  send: rpc({ kind: "client_stream", input, output, idempotent: true }),
});

/** What a server does with one attempt, in order of their coming: the vocabulary of xDS's `rpc-behavior`. */
export interface Step {
  readonly sleepMs?: number;
  readonly code?: Code;
  readonly retryAfterMs?: number;
  /** Items of a stream before that. */
  readonly items?: number;
}

/** One attempt as a server saw it. */
export interface Seen {
  readonly server: string;
  readonly atMs: number;
  /** How many came before it, as the call says (`grpc-previous-rpc-attempts`). */
  readonly previous: number;
  /** Time that the call says is left, in milliseconds. */
  readonly leftMs: number;
  cancelled: boolean;
}

export interface RetryHarness {
  /** A client of three servers, which do `steps` one after another and then answer. */
  client(options?: Partial<ClientOptions>): Client<typeof Tried>;
  plan(...steps: Step[]): void;
  readonly seen: Seen[];
  now(): number;
  sleep(ms: number): Promise<void>;
}

/** The servers' half: they share one plan. */
export function triedHandlers(
  server: string, plan: Step[], seen: Seen[], clock: { now(): number; after(ms: number, then: () => void): unknown },
): Handlers<typeof Tried> {
  const begin = (context: Context): { step: Step; one: Seen } => {
    const nowMs = clock.now();
    const one: Seen = {
      server, atMs: nowMs, previous: context.attempt, leftMs: context.deadline - nowMs, cancelled: false,
    };
    seen.push(one);
    context.onCancel({ cancelled: () => void (one.cancelled = true) });
    return { step: plan.shift() ?? {}, one };
  };
  const act = async ({ sleepMs, code, retryAfterMs }: Step): Promise<void> => {
    if (sleepMs !== undefined) await new Promise<void>((resolve) => void clock.after(sleepMs, resolve));
    if (code !== undefined) throw new RpcError(code, `told to be ${code}`, { retryAfterMs });
  };
  const answer = async (_input: unknown, context: Context): Promise<{ by: string }> => {
    await act(begin(context).step);
    return { by: server };
  };
  return {
    get: answer, put: answer,
    async *list(_input, context) {
      const { step } = begin(context);
      for (let i = 0; i < (step.items ?? 0); i++) yield { by: server };
      await act(step);
      yield { by: server };
    },
    async send(items, context) {
      const { step } = begin(context);
      for await (const _one of items) break;
      await act(step);
      return { by: server };
    },
  };
}

export interface RetryCase {
  readonly name: string;
  run(harness: RetryHarness): Promise<void>;
}

const id = { id: "1" };
const generous = { minPerSecond: 1_000 };
const failing = (count: number, code: Code = "unavailable"): Step[] => Array.from({ length: count }, () => ({ code }));

async function codeOf(call: Promise<unknown>): Promise<Code> {
  return call.then(() => assert.fail("expected a failure"), (error: unknown) => RpcError.from(error).code);
}

export const retryCases: readonly RetryCase[] = [
  {
    name: "attempts: as many as maxAttempts says, at most five, each elsewhere, each saying how many came before",
    async run({ client, plan, seen }) {
      plan(...failing(2));
      await client({ retry: { budget: generous } }).get(id);
      assert.deepEqual(seen.map(({ previous }) => previous), [0, 1, 2]);
      assert.equal(new Set(seen.map(({ server }) => server)).size, 3);
      for (const [maxAttempts, attempts] of [[1, 1], [2, 2], [5, 5], [40, 5]] as const) {
        seen.length = 0;
        plan(...failing(attempts));
        assert.equal(await codeOf(client({ retry: { maxAttempts, budget: generous } }).get(id)), "unavailable");
        assert.equal(seen.length, attempts);
        assert.deepEqual(seen.map(({ previous }) => previous), seen.map((_, i) => i));
      }
    },
  },
  {
    name: "codes: unavailable and those listed are repeated, others not; nothing of a method that bears no repeat",
    async run({ client, plan, seen }) {
      const cases: [Code, readonly Code[], number][] = [
        ["unavailable", [], 2], ["aborted", [], 1], ["aborted", ["aborted"], 2], ["not_found", ["aborted"], 1],
        ["internal", ["internal"], 2],
      ];
      for (const [code, codes, attempts] of cases) {
        seen.length = 0;
        plan({ code });
        const answer = client({ retry: { codes } }).get(id);
        if (attempts === 1) assert.equal(await codeOf(answer), code);
        else await answer;
        assert.equal(seen.length, attempts, code);
      }
      seen.length = 0;
      plan({ code: "unavailable" });
      assert.equal(await codeOf(client().put(id)), "unavailable");
      assert.equal(seen.length, 1);
    },
  },
  {
    name: "backoff: the first repeat at once, then waits within random(0, min(initial x multiplier^(n-1), max))",
    async run({ client, plan, seen }) {
      const calls = client({
        retry: { maxAttempts: 5, budget: generous, backoff: { initialMs: 100, multiplier: 2, maxMs: 250 } },
      });
      const waits: number[][] = [[], [], [], []];
      for (let i = 0; i < 30; i++) {
        seen.length = 0;
        plan(...failing(4));
        await calls.get(id);
        seen.slice(1).forEach(({ atMs }, n) => waits[n]?.push(atMs - (seen[n]?.atMs ?? 0)));
      }
      // A round trip on top, in a simulated network of 1 ms.
      const most = waits.map((some) => Math.max(...some));
      for (const [n, bound] of [5, 105, 205, 255].entries()) assert.ok((most[n] ?? 0) <= bound, `${n}: ${most[n]}`);
      for (const [n, bound] of [0, 60, 120, 150].entries()) assert.ok((most[n] ?? 0) >= bound, `no jitter: ${most[n]}`);
    },
  },
  {
    name: "push-back: delays exactly; negative stops",
    async run({ client, plan, seen }) {
      plan({ code: "unavailable", retryAfterMs: 150 });
      await client().get(id);
      const waitedMs = (seen[1]?.atMs ?? 0) - (seen[0]?.atMs ?? 0);
      assert.ok(waitedMs >= 150 && waitedMs < 156, `${waitedMs} ms`);
      seen.length = 0;
      plan({ code: "unavailable", retryAfterMs: -1 });
      assert.equal(await codeOf(client().get(id)), "unavailable");
      assert.equal(seen.length, 1);
    },
  },
  {
    name: "throttling: at half the tokens or less nothing is repeated; successes pay back",
    async run({ client, plan, seen }) {
      const budget = retryThrottling({ maxTokens: 4, tokenRatio: 0.5 });
      const calls = client({ retry: { budget } });
      plan({ code: "unavailable" });
      await calls.get(id);
      assert.equal(budget.tokens, 3.5, "one failure, one success");
      plan(...failing(2));
      assert.equal(await codeOf(calls.get(id)), "unavailable");
      assert.equal(seen.length, 4, "2.5 allow one repeat, 1.5 none");
      assert.equal(budget.tokens, 1.5);
      plan({ code: "not_found" });
      assert.equal(await codeOf(calls.get(id)), "not_found");
      assert.equal(budget.tokens, 1.5, "an error that is never repeated costs nothing");
      for (let i = 0; i < 2; i++) await calls.get(id);
      seen.length = 0;
      plan(...failing(1));
      assert.equal(await codeOf(calls.get(id)), "unavailable");
      for (let i = 0; i < 9; i++) await calls.get(id);
      assert.equal(budget.tokens, 4, "no more than there is room for");
    },
  },
  {
    name: "deadline: it spans all attempts, each is told what is left, and none is begun that does not fit",
    async run({ client, plan, seen, now }) {
      plan({ code: "unavailable", sleepMs: 100 }, { code: "unavailable", sleepMs: 100 }, { sleepMs: 500 });
      const beganMs = now();
      const calls = client({ retry: { maxAttempts: 5, budget: generous, backoff: { initialMs: 0, maxMs: 0 } } });
      assert.equal(await codeOf(calls.get(id, { timeoutMs: 300 })), "deadline_exceeded");
      assert.ok(now() - beganMs >= 299 && now() - beganMs <= 305, `${now() - beganMs} ms`);
      assert.equal(seen.length, 3);
      const left = seen.map(({ leftMs }) => leftMs);
      for (const [i, most] of [300, 201, 101].entries()) {
        assert.ok((left[i] ?? 0) <= most && (left[i] ?? 0) > most - 30, `${i}: ${left.join()}`);
      }
      seen.length = 0;
      plan({ code: "unavailable", retryAfterMs: 400 });
      assert.equal(await codeOf(calls.get(id, { timeoutMs: 300 })), "unavailable");
      assert.equal(seen.length, 1);
    },
  },
  {
    name: "commit: a stream is repeated until its first item, and not after",
    async run({ client, plan, seen }) {
      const read = async (): Promise<number> => {
        let items = 0;
        for await (const _one of client().list(id)) items++;
        return items;
      };
      plan({ code: "unavailable" });
      assert.equal(await read(), 1);
      assert.equal(seen.length, 2);
      seen.length = 0;
      plan({ code: "unavailable", items: 1 });
      assert.equal(await codeOf(read()), "unavailable");
      assert.equal(seen.length, 1);
    },
  },
  {
    name: "commit: nothing of a caller's stream is kept, so once it is read there is no second attempt",
    async run({ client, plan, seen }) {
      plan({ code: "unavailable" });
      const items = (async function* () {
        yield id;
      })();
      assert.equal(await codeOf(client().send(items)), "unavailable");
      assert.equal(seen.length, 1);
    },
  },
  {
    name: "hedging: the next attempt leaves after the delay, elsewhere, and the loser is cancelled at its server",
    async run({ client, plan, seen, sleep }) {
      plan({ sleepMs: 2_000 }, {});
      const { by } = await client({ hedge: { delayMs: 20, ratio: 1 } }).get(id);
      assert.equal(by, seen[1]?.server);
      assert.notEqual(seen[0]?.server, seen[1]?.server);
      const afterMs = (seen[1]?.atMs ?? 0) - (seen[0]?.atMs ?? 0);
      assert.ok(afterMs >= 18 && afterMs <= 24, `${afterMs} ms`);
      assert.equal(seen[1]?.previous, 1);
      await sleep(10);
      assert.deepEqual(seen.map(({ cancelled }) => cancelled), [true, false]);
    },
  },
  {
    name: "hedging: a first attempt that answers after all cancels the others at their servers",
    async run({ client, plan, seen, sleep }) {
      plan({ sleepMs: 50 }, { sleepMs: 2_000 });
      const { by } = await client({ hedge: { delayMs: 20, ratio: 1, maxAttempts: 2 } }).get(id);
      assert.equal(by, seen[0]?.server);
      await sleep(10);
      assert.deepEqual(seen.map(({ cancelled }) => cancelled), [false, true]);
    },
  },
  {
    name: "hedging: attempts up to maxAttempts; a failure that is not fatal leaves the others, a fatal one ends all",
    async run({ client, plan, seen, sleep }) {
      const hedge = { delayMs: 20, ratio: 2, maxAttempts: 4 };
      plan(...Array.from({ length: 9 }, () => ({ sleepMs: 300 })));
      await client({ hedge }).get(id);
      assert.equal(seen.length, 3, "there are no more endpoints to go to");
      plan({ sleepMs: 60 }, { code: "unavailable", sleepMs: 5, retryAfterMs: -1 });
      seen.length = 0;
      const planned = await client({ hedge }).get(id);
      assert.equal(planned.by, seen[0]?.server);
      assert.equal(seen.length, 2, "push-back that says no stops further hedges");
      seen.length = 0;
      plan({ sleepMs: 500 }, { code: "not_found" });
      assert.equal(await codeOf(client({ hedge }).get(id)), "not_found");
      await sleep(10);
      assert.equal(seen[0]?.cancelled, true);
    },
  },
  {
    name: "hedging: never of a method that bears no repeat",
    async run({ client, plan, seen }) {
      plan({ sleepMs: 200 });
      await client({ hedge: { delayMs: 10, ratio: 1 } }).put(id);
      assert.equal(seen.length, 1);
    },
  },
];
