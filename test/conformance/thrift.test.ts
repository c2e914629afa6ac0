/** The law over Thrift: its unary cases over every transport and protocol, simulated and real. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import { createClientOn } from "../../src/client/index.ts";
import { type Client, isError, rpc, service } from "../../src/contract/index.ts";
import type { Runtime } from "../../src/core/index.ts";
import { thrift, type ThriftOptions, thriftWire } from "../../src/protocol/index.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { createServerOn, type ServerOptions } from "../../src/server/index.ts";
import { inMemory } from "../../src/testing/index.ts";
import { codeOf, Law, lawCases, lawHandlers, type Seen } from "./protocol-cases.ts";
import { cutAnywhere } from "./splits.ts";

/** What Thrift has no words for: cancellation, and without THeader metadata and deadlines. */
function casesFor({ transport }: ThriftOptions): typeof lawCases {
  return lawCases.filter(({ name }) => /^(?:unary|errors)/.test(name) ||
    (transport === "header" || transport === "http") && /^(?:metadata|deadline)/.test(name));
}

const maxMessageBytes = 6_000_000;
const limits = ({ encoding }: ThriftOptions): ServerOptions =>
  (encoding === "json" ? { wires: [thriftWire({ maxMessageBytes })], http: { thrift: { maxMessageBytes } } } : {});

const variants: readonly ThriftOptions[] = (["framed", "buffered", "header", "http"] as const).flatMap((transport) =>
  (["binary", "compact", "json"] as const).map((encoding) => ({
    // In JSON bytes are a third longer.
    transport, encoding, ...(encoding === "json" ? { maxMessageBytes } : {}),
  })));

function simulated(name: string, options: ThriftOptions, decorate: (runtime: Runtime) => Runtime): void {
  describe(name, () => {
    for (const one of casesFor(options)) {
      test(one.name, async () => {
        const simulation = createSimulation({ seed: 1, link: { latencyMs: 1 } });
        const host = (of: string): Runtime => decorate(simulation.host(of));
        const seen: Seen = { produced: 0, cancelled: [] };
        const server = createServerOn(host("server"), limits(options)).implement(Law, lawHandlers(seen));
        const main = async (): Promise<void> => {
          const address = await server.listen({ host: "server", port: 1 });
          const runtime = host("client");
          const client = createClientOn(runtime, Law, { address, protocol: thrift(options) });
          await one.run({
            client, seen, sleep: (ms) => new Promise((resolve) => void runtime.clock.after(ms, resolve)),
          });
          client.$.close();
        };
        await simulation.runUntil(main(), 600_000);
      });
    }
  });
}

for (const options of variants) {
  const name = `thrift ${options.transport} ${options.encoding}`;
  simulated(`${name}, in the simulator`, options, (runtime) => runtime);
  simulated(`${name}, reads cut anywhere`, options, cutAnywhere);
}

/** Runs the law in real time, all cases on one connection. */
function real(name: string, runtime: Runtime, options: ThriftOptions): void {
  describe(name, () => {
    const seen: Seen = { produced: 0, cancelled: [] };
    const server = createServerOn(runtime, limits(options)).implement(Law, lawHandlers(seen));
    let client: Client<typeof Law> & { $: { close(): void } };
    before(async () => {
      client = createClientOn(runtime, Law, { address: await server.listen(), protocol: thrift(options) });
    });
    after(async () => {
      client.$.close();
      await server.close(1_000);
    });
    for (const one of casesFor(options)) {
      test(one.name, async () => {
        seen.produced = 0;
        seen.cancelled = [];
        await one.run({ client, seen, sleep });
      });
    }
  });
}

for (const options of variants) {
  const name = `thrift ${options.transport} ${options.encoding}`;
  if (options.encoding !== "json") real(`${name}, over loopback sockets`, nodeRuntime, options);
  real(`${name}, in memory`, inMemory(nodeRuntime), options);
}

const Notes = service("notes.v1.Notes", {
  sayHello: rpc({ input: z.object({ name: z.string() }), output: z.string() }),
  log: rpc({ input: z.object({ text: z.string() }), output: z.object({}), oneway: true }),
  wait: rpc({ input: z.object({ ms: z.int32() }), output: z.int32() }),
  refuse: rpc({
    input: z.object({}), output: z.string(),
    errors: { First: z.object({}), Ninth: { code: "not_found", data: z.object({ why: z.string() }), id: 9 } },
  }),
  maybe: rpc({ input: z.object({ there: z.boolean() }), output: z.string().nullable() }),
});

for (const options of [...variants, { multiplexed: true }, { multiplexed: true, service: "notes.v1.Notes" }]) {
  test(`thrift ${JSON.stringify(options)}: scalars, one-way calls, numbered errors, order`, async () => {
    const logged: string[] = [];
    const ended: number[] = [];
    const server = createServerOn(nodeRuntime).implement(Notes, {
      sayHello: ({ name }) => `Hello ${name}`,
      log: ({ text }) => {
        logged.push(text);
        return {};
      },
      wait: async ({ ms }) => {
        await sleep(ms);
        ended.push(ms);
        return ms;
      },
      refuse: () => {
        throw Notes.methods.refuse.error("Ninth", { why: "late" });
      },
      maybe: ({ there }) => (there ? "yes" : null),
    });
    const client = createClientOn(nodeRuntime, Notes, { address: await server.listen(), protocol: thrift(options) });
    try {
      assert.equal(await client.sayHello({ name: "Ada" }), "Hello Ada");
      assert.deepEqual(await client.log({ text: "one" }), {});
      assert.deepEqual(await client.log({ text: "two" }), {});
      const error = await codeOf(client.refuse({}));
      assert.ok(isError(error, Notes.methods.refuse, "Ninth"));
      assert.deepEqual([error.code, error.data.why], ["not_found", "late"]);
      assert.deepEqual([await client.maybe({ there: true }), await client.maybe({ there: false })], ["yes", null]);
      const told: number[] = [];
      await Promise.all([120, 1].map(async (ms) => told.push(await client.wait({ ms }))));
      assert.deepEqual(ended, [1, 120]);
      // Only clients of THeader and HTTP are known to go by sequence ids.
      const isFree = "transport" in options && ["header", "http"].includes(options.transport ?? "");
      assert.deepEqual(told, isFree ? [1, 120] : [120, 1]);
      assert.deepEqual(logged, ["one", "two"]);
    } finally {
      client.$.close();
      await server.close(1_000);
    }
  });
}

test("a stream is refused before anything is sent, and options that cannot be by their names", async () => {
  const server = createServerOn(nodeRuntime).implement(Law, lawHandlers({ produced: 0, cancelled: [] }));
  const client = createClientOn(nodeRuntime, Law, { address: await server.listen(), protocol: thrift() });
  const error = await codeOf((async () => {
    for await (const _ of client.count({ to: 1 })) break;
  })());
  assert.equal(error.code, "unimplemented");
  client.$.close();
  await server.close(1_000);
  for (const [options, pattern] of [
    [{ encoding: "xml" }, /encoding is "xml"/], [{ transport: "udp" }, /transport is "udp"/],
    [{ service: "A" }, /service is "A"/], [{ maxMessageBytes: 0 }, /maxMessageBytes is 0/],
    [{ stallTimeoutMs: Number.NaN }, /stallTimeoutMs is NaN/],
  ] as const) {
    assert.throws(() => thrift(options as ThriftOptions), pattern);
  }
  for (const oneway of [{ kind: "server_stream" as const }, { errors: { Bad: z.object({}) } }]) {
    assert.throws(() => rpc({ input: z.object({}), output: z.object({}), oneway: true, ...oneway }), /oneway/);
  }
});
