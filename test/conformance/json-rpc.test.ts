// JSON-RPC 2.0 from the outside: the specification's examples and more, over HTTP and over WebSocket.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import * as z from "zod";
import { RpcError } from "../../src/core/index.ts";
import { bytes, rpc, service } from "../../src/contract/index.ts";
import { createServer, type Server } from "../../src/server/index.ts";

const Calculator = service("calc.v1.Calculator", {
  subtract: rpc({
    input: z.object({ minuend: z.int32(), subtrahend: z.int32() }), output: z.object({ difference: z.int32() }),
  }),
  big: rpc({ input: z.object({ n: z.int64(), data: bytes() }), output: z.object({ n: z.int64(), data: bytes() }) }),
  fail: rpc({
    input: z.object({ how: z.string() }), output: z.object({}),
    errors: { Sold: { code: "failed_precondition", data: z.object({ left: z.int32() }) } },
  }),
  who: rpc({ input: z.object({}), output: z.object({ who: z.string(), key: z.string(), hasDeadline: z.boolean() }) }),
  never: rpc({ input: z.object({}), output: z.object({}) }),
  count: rpc({ kind: "server_stream", input: z.object({}), output: z.object({ n: z.int32() }) }),
});

interface Answer {
  readonly jsonrpc: string;
  readonly id: unknown;
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: Record<string, unknown> };
}

const notified: number[] = [];
const cancelled: string[] = [];

function serve(): Server {
  return createServer({ metrics: false }).implement(Calculator, {
    subtract({ minuend, subtrahend }) {
      notified.push(minuend);
      return { difference: minuend - subtrahend };
    },
    big: ({ n, data }) => ({ n: n + 1n, data }),
    fail({ how }, context) {
      context.setTrailer("seen", "yes");
      if (how === "declared") throw Calculator.methods.fail.error("Sold", { left: 3 }, "all sold");
      if (how === "rpc") throw new RpcError("not_found", "no such thing", { retryAfterMs: 25 });
      throw new Error("the password is hunter2");
    },
    who: (_input, context) => ({
      who: context.metadata["x-who"] ?? "", key: context.idempotencyKey ?? "", hasDeadline: context.deadline < Infinity,
    }),
    never: (_input, context) => new Promise((_resolve, reject) => {
      context.onCancel({ cancelled(reason) {
        cancelled.push(reason.code);
        reject(reason);
      } });
    }),
    async *count() {
      yield { n: 1 };
    },
  });
}

type Ask = (text: string) => Promise<string | undefined>;

const wires: readonly (readonly [name: string, open: (address: string) => Promise<{ ask: Ask; close(): void }>])[] = [
  ["HTTP", async (address) => ({
    async ask(text) {
      const response = await fetch(`http://${address}/jsonrpc`, {
        method: "POST", headers: { "content-type": "application/json" }, body: text,
      });
      assert.ok([200, 204, 400].includes(response.status), String(response.status));
      return response.status === 204 ? undefined : response.text();
    },
    close: () => undefined,
  })],
  ["WebSocket", async (address) => {
    const socket = new WebSocket(`ws://${address}/any`, "jsonrpc");
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve);
      socket.addEventListener("error", () => reject(new Error("no WebSocket")));
    });
    return {
      ask: (text) => new Promise((resolve) => {
        const timer = setTimeout(() => resolve(undefined), 300);
        socket.addEventListener("message", ({ data }) => {
          clearTimeout(timer);
          resolve(String(data));
        }, { once: true });
        socket.send(text);
      }),
      close: () => socket.close(),
    };
  }],
];

for (const [wire, open] of wires) {
  describe(`JSON-RPC over ${wire}`, () => {
    let server: Server;
    let peer: { ask: Ask; close(): void };
    before(async () => {
      server = serve();
      peer = await open(await server.listen());
    });
    after(async () => {
      peer.close();
      await server.close(0);
    });
    const ask = async (message: unknown): Promise<Answer> =>
      JSON.parse(await peer.ask(JSON.stringify(message)) ?? assert.fail("no answer")) as Answer;
    const call = (method: string, params?: unknown, more?: object): Promise<Answer> =>
      ask({ jsonrpc: "2.0", id: 1, method, params, ...more });

    test("parameters by name and by position; the method by its path, with a dot, or by its name alone", async () => {
      const expected = { jsonrpc: "2.0", id: 1, result: { difference: 19 } };
      const named = { minuend: 42, subtrahend: 23 };
      for (const method of ["calc.v1.Calculator/subtract", "calc.v1.Calculator.subtract", "subtract", "Subtract"]) {
        assert.deepEqual(await call(method, named), expected, method);
        assert.deepEqual(await call(method, [42, 23]), expected, method);
      }
      assert.deepEqual((await call("subtract", [42])).result, { difference: 42 }, "what is left out is zero");
    });

    test("ids are given back as they were: strings, numbers, null", async () => {
      for (const id of ["a\"b", 0, -7, 1.5, null]) {
        assert.deepEqual(await ask({ jsonrpc: "2.0", id, method: "subtract", params: [3, 1] }),
          { jsonrpc: "2.0", id, result: { difference: 2 } });
      }
    });

    test("64-bit integers and bytes keep their meaning", async () => {
      const { result } = await call("big", { n: "9007199254740993", data: "AQID" });
      assert.deepEqual(result, { n: "9007199254740994", data: "AQID" });
    });

    test("a notification is done and not answered", async () => {
      notified.length = 0;
      assert.equal(await peer.ask(JSON.stringify({ jsonrpc: "2.0", method: "subtract", params: [77, 1] })), undefined);
      assert.equal(await peer.ask(JSON.stringify({ jsonrpc: "2.0", method: "no.such" })), undefined);
      assert.deepEqual(notified, [77]);
    });

    test("a batch: calls, notifications and nonsense, each answered as it deserves", async () => {
      const text = await peer.ask(JSON.stringify([
        { jsonrpc: "2.0", id: "1", method: "subtract", params: [5, 1] },
        { jsonrpc: "2.0", method: "subtract", params: [7, 1] },
        { foo: "boo" }, 1,
        { jsonrpc: "2.0", id: "5", method: "foo.get", params: { name: "myself" } },
      ])) ?? "[]";
      const answers = JSON.parse(text) as Answer[];
      const told = answers.map(({ id, error }) => `${String(id)}: ${error?.code ?? "well"}`);
      assert.deepEqual(told.sort(), ["1: well", "5: -32601", "null: -32600", "null: -32600"]);
      assert.equal(await peer.ask(JSON.stringify([{ jsonrpc: "2.0", method: "subtract" }])), undefined);
      const empty = JSON.parse(await peer.ask("[]") ?? "") as Answer;
      assert.equal(empty.error?.code, -32600);
    });

    test("what cannot be read is told by the code of the specification", async () => {
      const cases: readonly (readonly [text: string, code: number])[] = [
        ["", -32700], ["{", -32700], ['{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]', -32700],
        ['[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},{"jsonrpc": "2.0", "method"]', -32700],
        ['{"jsonrpc":"2.0","id":1,"method":"subtract","params":{"minuend":01}}', -32700],
        ['{"jsonrpc":"2.0","id":1,"method":"subtract","params":[1,,2]}', -32700],
        ['{"jsonrpc":"2.0","id":1,"method":1}', -32600], ['{"id":1,"method":"subtract"}', -32600],
        ['{"jsonrpc":"2.0","id":{},"method":"subtract"}', -32600],
        ['{"jsonrpc":"2.0","id":1,"method":"subtract","params":"bar"}', -32600],
        ['{"jsonrpc":"2.0","id":1,"id":2,"method":"subtract"}', -32600],
        ['{"jsonrpc":"2.0","id":1,"method":"subtract","params":{"minuend":"x"}}', -32602],
        ['{"jsonrpc":"2.0","id":1,"method":"subtract","params":[1,2,3]}', -32602],
        ['{"jsonrpc":"2.0","id":1,"method":"subtract","meridian":{"timeoutMs":-1}}', -32600],
        ['{"jsonrpc":"2.0","id":1,"method":"count"}', -32601],
        [`{"jsonrpc":"2.0","id":1,"method":"subtract","params":${"[".repeat(200)}${"]".repeat(200)}}`, -32600],
      ];
      for (const [text, code] of cases) {
        const answer = JSON.parse(await peer.ask(text) ?? "{}") as Answer;
        assert.equal(answer.error?.code, code, `${text.slice(0, 100)} → ${JSON.stringify(answer)}`);
      }
    });

    test("errors say their code, and what was declared with them", async () => {
      const declared = (await call("fail", { how: "declared" })).error;
      assert.equal(declared?.code, -32009);
      assert.equal(declared.message, "all sold");
      assert.deepEqual(declared.data, {
        code: "failed_precondition", reason: "Sold", data: { left: 3 }, metadata: { seen: "yes" },
      });
      const known = (await call("fail", { how: "rpc" })).error;
      assert.equal(known?.code, -32005);
      assert.equal(known.data?.["retryAfterMs"], 25);
      const bug = (await call("fail", { how: "bug" })).error;
      assert.equal(bug?.code, -32603);
      assert.doesNotMatch(bug.message, /hunter2/);
    });

    test("deadline, metadata and key go beside the call", async () => {
      const meridian = { timeoutMs: 5_000, metadata: { "x-who": "me" }, idempotencyKey: "k1" };
      assert.deepEqual((await call("who", {}, { meridian })).result, { who: "me", key: "k1", hasDeadline: true });
      const late = await call("never", {}, { meridian: { timeoutMs: 30 } });
      assert.equal(late.error?.data?.["code"], "deadline_exceeded");
      assert.equal(cancelled.pop(), "deadline_exceeded");
    });
  });
}

test("over WebSocket a call can be taken back, and answers overtake each other", async (t) => {
  const server = serve();
  t.after(() => server.close(0));
  const socket = new WebSocket(`ws://${await server.listen()}/`);
  await new Promise((resolve) => { socket.addEventListener("open", resolve); });
  const answers: Answer[] = [];
  const two = new Promise<void>((resolve) => {
    socket.addEventListener("message", ({ data }) => {
      answers.push(JSON.parse(String(data)) as Answer);
      if (answers.length === 2) resolve();
    });
  });
  const send = (message: object): void => socket.send(JSON.stringify({ jsonrpc: "2.0", ...message }));
  send({ id: 1, method: "never", params: {} });
  send({ id: 2, method: "subtract", params: [2, 1] });
  send({ method: "$/cancelRequest", params: { id: 1 } });
  await two;
  assert.deepEqual(answers.map(({ id, error }) => [id, error?.data?.["code"]]), [[2, undefined], [1, "cancelled"]]);
  socket.close();
});

test("over HTTP, who does not post JSON is told how to", async (t) => {
  const server = serve();
  t.after(() => server.close(0));
  const url = `http://${await server.listen()}/jsonrpc`;
  const got = await fetch(url);
  assert.equal(got.status, 405);
  assert.equal(got.headers.get("allow"), "POST");
  const typed = await fetch(url, { method: "POST", body: "{}" });
  assert.equal(typed.status, 415);
  const large = await fetch(url, {
    method: "POST", headers: { "content-type": "application/json" }, body: " ".repeat(5_000_000),
  });
  assert.equal(large.status, 413);
});
