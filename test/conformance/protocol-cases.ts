/**
 * The law of every protocol as a suite: `client(server(handler))` behaves as `handler`, for all call shapes.
 *
 * It is run over every wire, simulated and real, straight and through a gateway.
 */
import assert from "node:assert/strict";
import * as z from "zod";
import { type Context, RpcError } from "../../src/core/index.ts";
import { bytes, type Client, type Handlers, isError, rpc, service } from "../../src/contract/index.ts";

const item = z.object({ n: z.int32(), text: z.string() });

export const Law = service("law.v1.Law", {
  echo: rpc({ input: item, output: item, idempotent: true }),
  blob: rpc({ input: z.object({ data: bytes() }), output: z.object({ data: bytes() }) }),
  fail: rpc({
    input: z.object({ how: z.string() }), output: z.object({}),
    errors: { Sold: z.object({ left: z.int32(), name: z.string() }) },
  }),
  never: rpc({ input: z.object({}), output: z.object({}) }),
  keys: rpc({
    input: z.object({ tenant: z.string() }), output: z.object({ route: z.string(), key: z.string(), meta: z.string() }),
    idempotent: "keyed", routeKey: (input) => input.tenant,
  }),
  count: rpc({ kind: "server_stream", input: z.object({ to: z.int32(), failAt: z.int32().optional() }), output: item }),
  sum: rpc({ kind: "client_stream", input: item, output: z.object({ sum: z.int32() }) }),
  chat: rpc({ kind: "bidi_stream", input: item, output: item }),
});

/** What the handlers have seen: the other half of what a test can check. */
export interface Seen {
  produced: number;
  /** Calls of `never` and `count` that reached their handler. */
  started?: number;
  cancelled: string[];
}

export function lawHandlers(seen: Seen): Handlers<typeof Law> {
  const watch = (context: Context): void => {
    seen.started = (seen.started ?? 0) + 1;
    context.onCancel({ cancelled: (reason) => seen.cancelled.push(`${context.method.name} ${reason.code}`) });
  };
  return {
    echo: (input) => input,
    blob: async ({ data }) => ({ data }),
    fail: ({ how }) => {
      if (how === "declared") throw Law.methods.fail.error("Sold", { left: 0, name: "ticket" }, "all sold");
      if (how === "rpc") throw new RpcError("not_found", "no such thing", { retryAfterMs: 25 });
      throw new Error("the password is hunter2");
    },
    never: (_input, context) => {
      watch(context);
      return new Promise(() => undefined);
    },
    keys: ({ tenant }, context) => {
      context.setHeader("tenant", tenant);
      context.setTrailer("served-by", "law");
      return { route: context.routeKey ?? "", key: context.idempotencyKey ?? "", meta: context.metadata["who"] ?? "" };
    },
    async *count({ to, failAt }, context) {
      watch(context);
      for (let n = 0; n < to; n++) {
        if (n === failAt) throw new RpcError("aborted", `stopped at ${n}`);
        seen.produced++;
        yield { n, text: "x".repeat(100) };
      }
    },
    async sum(inputs) {
      let sum = 0;
      for await (const { n } of inputs) {
        if (n < 0) return { sum: -1 };
        sum += n;
      }
      return { sum };
    },
    async *chat(inputs) {
      for await (const input of inputs) yield { n: input.n * 2, text: input.text.toUpperCase() };
    },
  };
}

export interface LawHarness {
  readonly client: Client<typeof Law>;
  readonly seen: Seen;
  /** Lets `ms` of the harness's time pass. */
  readonly sleep: (ms: number) => Promise<void>;
  /** Items that may be produced for a reader that has read one. Default 60,000. */
  readonly mostAhead?: number | undefined;
}

export interface LawCase {
  readonly name: string;
  run(harness: LawHarness): Promise<void>;
}

export async function codeOf(promise: Promise<unknown>): Promise<RpcError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(RpcError.is(error), `expected an RpcError, got ${String(error)}`);
    return error;
  }
  assert.fail("expected a failure");
}

/** Waits for what must come, however slow the machine is; what never comes fails, telling what there is instead. */
export async function until(
  sleep: LawHarness["sleep"], isSo: () => boolean, instead: () => string, withinMs = 30_000,
): Promise<void> {
  for (let waitedMs = 0; !isSo(); waitedMs += 10) {
    assert.ok(waitedMs < withinMs, `it never came; instead: ${instead()}`);
    await sleep(10);
  }
}

/**
 * Calls `never` until its time is up, and again with more of it while the handler is not reached within it: what
 * becomes of the handler is only seen where it began.
 */
export async function neverInTime(
  seen: Seen, never: (timeoutMs: number) => Promise<void>, sleep: LawHarness["sleep"],
): Promise<void> {
  const before = seen.started ?? 0;
  for (let timeoutMs = 100; timeoutMs < 30_000; timeoutMs *= 4) {
    await never(timeoutMs);
    if ((seen.started ?? 0) === before) await sleep(200);
    if ((seen.started ?? 0) > before) return;
  }
  assert.fail("the handler was never reached");
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of items) all.push(one);
  return all;
}

const items = (count: number): { n: number; text: string }[] =>
  Array.from({ length: count }, (_, n) => ({ n, text: `item ${n}` }));

export const lawCases: readonly LawCase[] = [
  {
    name: "unary: the answer is the handler's",
    async run({ client }) {
      const value = { n: -7, text: "grüße 🌍" };
      assert.deepEqual(await client.echo(value), value);
      assert.deepEqual(await client.echo({ n: 0, text: "" }), { n: 0, text: "" });
    },
  },
  {
    name: "unary: a thousand calls at once, each with its own answer",
    async run({ client }) {
      const answers = await Promise.all(items(1_000).map((one) => client.echo(one)));
      assert.deepEqual(answers, items(1_000));
    },
  },
  {
    name: "unary: messages from empty to several frames, both ways",
    async run({ client }) {
      for (const size of [0, 1, 65_000, 65_536, 70_000, 1_000_000, 4_000_000]) {
        const data = new Uint8Array(size).map((_, i) => i * 31);
        assert.deepEqual((await client.blob({ data }, { timeoutMs: 60_000 })).data, data, `${size} bytes`);
      }
    },
  },
  {
    name: "unary: a message above the limit fails alone, saying so",
    async run({ client }) {
      const big = client.blob({ data: new Uint8Array(5_000_000) });
      const small = client.echo({ n: 1, text: "fine" });
      const error = await codeOf(big);
      assert.equal(error.code, "resource_exhausted");
      assert.match(error.message, /maxMessageBytes/);
      assert.equal((await small).n, 1);
    },
  },
  {
    name: "errors: a declared error keeps its name and data",
    async run({ client }) {
      const error = await codeOf(client.fail({ how: "declared" }));
      assert.ok(isError(error, Law.methods.fail, "Sold"));
      assert.deepEqual(error.data, { left: 0, name: "ticket" });
      assert.equal(error.message, "all sold");
      assert.equal(error.remote, true);
    },
  },
  {
    name: "errors: code, message and push-back cross; an unexpected one tells nothing of itself",
    async run({ client }) {
      const known = await codeOf(client.fail({ how: "rpc" }));
      assert.deepEqual([known.code, known.message, known.retryAfterMs], ["not_found", "no such thing", 25]);
      const unknown = await codeOf(client.fail({ how: "bug" }));
      assert.equal(unknown.code, "internal");
      assert.doesNotMatch(unknown.message, /hunter2/);
    },
  },
  {
    name: "errors: a request of the wrong type names the field and never leaves",
    async run({ client }) {
      const error = await codeOf(client.echo({ n: "x", text: "" } as never));
      assert.equal(error.code, "invalid_argument");
      assert.match(error.message, /n/);
    },
  },
  {
    name: "metadata and keys travel both ways",
    async run({ client }) {
      const metadata: Record<string, string> = {};
      const answer = await client.keys({ tenant: "acme" }, {
        metadata: { who: "me" }, idempotencyKey: "k-1",
        onMetadata: (kind, entries) => {
          for (const name in entries) metadata[`${kind} ${name}`] = entries[name] as string;
        },
      });
      assert.deepEqual(answer, { route: "acme", key: "k-1", meta: "me" });
      assert.equal(metadata["header tenant"], "acme");
      assert.equal(metadata["trailer served-by"], "law");
      assert.match((await client.keys({ tenant: "acme" })).key, /^mA[0-9a-f]{11}-[0-9a-f]{32}0$/);
    },
  },
  {
    name: "deadline: the caller is told in time, the handler is cancelled",
    async run({ client, seen, sleep }) {
      await client.echo({ n: 1, text: "connected" });
      await neverInTime(seen, async (timeoutMs) => {
        assert.equal((await codeOf(client.never({}, { timeoutMs }))).code, "deadline_exceeded");
      }, sleep);
      await until(sleep, () => seen.cancelled.some((one) => one.startsWith("never ")), () => seen.cancelled.join());
    },
  },
  {
    name: "cancellation: a signal ends the call here and at the handler",
    async run({ client, seen, sleep }) {
      await client.echo({ n: 1, text: "connected" });
      const controller = new AbortController();
      const before = seen.started ?? 0;
      const call = codeOf(client.never({}, { signal: controller.signal, timeoutMs: 60_000 }));
      await until(sleep, () => (seen.started ?? 0) > before, () => "no call at the handler");
      controller.abort();
      assert.equal((await call).code, "cancelled");
      await until(sleep, () => seen.cancelled.includes("never cancelled"), () => seen.cancelled.join());
      assert.equal((await codeOf(client.never({}, { signal: controller.signal }))).code, "cancelled");
    },
  },
  {
    name: "server stream: all items, in order, then the end",
    async run({ client }) {
      assert.deepEqual(await collect(client.count({ to: 0 })), []);
      const all = await collect(client.count({ to: 5_000 }));
      assert.deepEqual(all.map((one) => one.n), items(5_000).map((one) => one.n));
    },
  },
  {
    name: "server stream: items before a failure arrive, then the failure",
    async run({ client }) {
      const got: number[] = [];
      const error = await codeOf((async () => {
        for await (const { n } of client.count({ to: 10, failAt: 4 })) got.push(n);
      })());
      assert.deepEqual(got, [0, 1, 2, 3]);
      assert.deepEqual([error.code, error.message], ["aborted", "stopped at 4"]);
    },
  },
  {
    name: "server stream: a reader that waits holds the handler back; one that leaves ends it",
    async run({ client, seen, sleep, mostAhead = 60_000 }) {
      const iterator = client.count({ to: 1_000_000 })[Symbol.asyncIterator]();
      assert.equal((await iterator.next()).value.n, 0);
      await sleep(500);
      assert.ok(seen.produced < mostAhead, `${seen.produced} items produced for a reader of one`);
      await iterator.return?.();
      await until(sleep, () => seen.cancelled.some((one) => one.startsWith("count ")), () => seen.cancelled.join());
      await sleep(200);
      const { produced } = seen;
      await sleep(200);
      assert.equal(seen.produced, produced);
    },
  },
  {
    name: "client stream: the handler hears every item and answers once",
    async run({ client }) {
      assert.deepEqual(await client.sum([]), { sum: 0 });
      assert.deepEqual(await client.sum(items(3_000)), { sum: 4_498_500 });
    },
  },
  {
    name: "client stream: a handler may answer before the end; a failing source cancels the call",
    async run({ client }) {
      // Of some size, so that whatever lies between caller and handler is soon full.
      const text = "x".repeat(1_000);
      async function* endless() {
        for (let n = 0; ; n++) yield { n: n === 10 ? -1 : n, text };
      }
      assert.deepEqual(await client.sum(endless()), { sum: -1 });
      async function* broken() {
        yield { n: 1, text: "" };
        throw new RpcError("data_loss", "the source broke");
      }
      assert.equal((await codeOf(client.sum(broken()))).code, "data_loss");
    },
  },
  {
    name: "bidirectional: answers come while requests still go",
    async run({ client }) {
      let release: () => void = () => undefined;
      async function* turns() {
        for (let n = 0; n < 20; n++) {
          yield { n, text: `t${n}` };
          await new Promise<void>((resolve) => {
            release = resolve;
          });
        }
      }
      const got: string[] = [];
      for await (const answer of client.chat(turns())) {
        got.push(`${answer.n} ${answer.text}`);
        release();
      }
      assert.equal(got.length, 20);
      assert.equal(got[19], "38 T19");
    },
  },
  {
    name: "bidirectional: large traffic both ways at once",
    async run({ client }) {
      const big = "y".repeat(20_000);
      async function* many() {
        for (let n = 0; n < 300; n++) yield { n, text: big };
      }
      let count = 0;
      for await (const { n, text } of client.chat(many())) {
        assert.equal(n, count * 2);
        assert.equal(text.length, 20_000);
        count++;
      }
      assert.equal(count, 300);
    },
  },
];
