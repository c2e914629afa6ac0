// Any wire in, any wire out, by contract: the law's cases as far as both wires have words for them.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createClientOn } from "../../src/client/index.ts";
import { endpointAddress, RpcError } from "../../src/core/index.ts";
import { createGatewayOn, type GatewayOptions } from "../../src/gateway/index.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { createServerOn } from "../../src/server/index.ts";
import { codeOf, Law, lawCases, lawHandlers, type LawHarness, type Seen } from "../conformance/protocol-cases.ts";
import { allWires, type AnyWire, canHave, limits } from "./all-wires.ts";

/** Much work: these are run for each wire once on each side, the others for all pairs. */
const heavy = new RegExp("a thousand|several frames|above the limit|all items|hears every item|reader that waits|" +
  "may answer before|large traffic");

allWires.forEach((near, i) => {
  allWires.forEach((far, j) => {
    const isNext = j === (i + 1) % allWires.length || j === (i + 4) % allWires.length;
    test(`${near.name} in, ${far.name} out`, async (t) => {
      for (const one of lawCases) {
        if (!canHave(near, far, one.name) || (heavy.test(one.name) && !isNext)) continue;
        await t.test(one.name, () => through(near, far, { contracts: [Law] }, one.run));
      }
    });
  });
});

interface Place extends LawHarness {
  readonly events: readonly string[];
}

async function through(
  near: AnyWire, far: AnyWire, options: Partial<GatewayOptions>, run: (place: Place) => Promise<void>,
): Promise<void> {
  const simulation = createSimulation({ seed: 1, link: { latencyMs: 1 } });
  const seen: Seen = { produced: 0, cancelled: [] };
  const server = createServerOn(simulation.host("server"), { region: "eu", ...limits })
    .implement(Law, lawHandlers(seen));
  const events: string[] = [];
  const main = async (): Promise<void> => {
    const address = await server.listen({ host: "server", port: 1 });
    const gateway = createGatewayOn(simulation.host("gateway"), {
      region: "eu", ...limits, ...options, client: { protocol: far.protocol },
      discovery: {
        watch(name, watcher) {
          watcher.snapshot(name === Law.name ? [endpointAddress({ address, region: "eu" })] : []);
          return () => undefined;
        },
      },
    });
    const runtime = simulation.host("client");
    const client = createClientOn(runtime, Law, {
      address: await gateway.listen({ host: "gateway", port: 1 }), protocol: near.protocol,
    });
    await run({ client, seen, events, sleep: (ms) => new Promise((resolve) => void runtime.clock.after(ms, resolve)) });
    client.$.close();
  };
  await simulation.runUntil(main(), 600_000);
}

const streamless = allWires.filter(({ without }) => without.includes("streams"));
describe("a stream that one side has no word for is refused, saying so", () => {
  const [native] = allWires as [AnyWire];
  for (const far of streamless) {
    test(`native in, ${far.name} out`, () => through(native, far, { contracts: [Law] }, async ({ client, seen }) => {
      const error = await codeOf((async () => {
        for await (const one of client.count({ to: 3 })) assert.fail(JSON.stringify(one));
      })());
      assert.equal(error.code, "unimplemented");
      assert.match(error.message, /count/);
      assert.equal(seen.started ?? 0, 0);
    }));
  }
});

describe("without the contract", () => {
  const named = (name: string): AnyWire => allWires.find((one) => one.name === name) as AnyWire;
  const refused: readonly (readonly [near: string, far: string, says: RegExp])[] = [
    ["Thrift", "native", /no service's method that this gateway knows is "echo".*give it the contract/],
    ["Thrift", "Thrift", /no service's method that this gateway knows is "echo".*give it the contract/],
    ["Avro", "native", /has no message "echo": it does not serve it \(a gateway needs its contract\)/],
    ["native", "Thrift", /calls its servers in thrift-binary, and knows no contract of "law.v1.Law\/echo"/],
    ["gRPC", "Avro", /calls its servers in avro, and knows no contract of "law.v1.Law\/Echo".*give it the contract/],
    ["native", "HTTP/JSON", /calls its servers in json, and knows no contract/],
  ];
  for (const [near, far, says] of refused) {
    test(`${near} in, ${far} out: refused, saying what is wanted`, () =>
      through(named(near), named(far), {}, async ({ client, seen }) => {
        const error = await codeOf(client.echo({ n: 1, text: "one" }));
        assert.ok(RpcError.is(error));
        assert.equal(error.code, "unimplemented");
        assert.match(error.message, says);
        assert.equal(seen.started ?? 0, 0);
      }));
  }
  for (const [near, far] of [["JSON-RPC", "native"], ["WebSocket", "Connect"], ["HTTP/JSON", "Connect"]] as const) {
    test(`${near} in, ${far} out: as it is`, () => through(named(near), named(far), {}, async ({ client }) => {
      assert.deepEqual(await client.echo({ n: 1, text: "one" }), { n: 1, text: "one" });
    }));
  }
});

test("one gateway has servers behind it that speak different wires, each endpoint the one that it says", async () => {
  const simulation = createSimulation({ seed: 1, link: { latencyMs: 1 } });
  const spoken = ["grpc", "thrift", "avro", "http-json", "native"];
  const answered: string[] = [];
  const main = async (): Promise<void> => {
    const endpoints = await Promise.all(spoken.map(async (protocol) => {
      const server = createServerOn(simulation.host(protocol)).implement(Law, {
        ...lawHandlers({ produced: 0, cancelled: [] }),
        echo(input) {
          answered.push(protocol);
          return input;
        },
      });
      const address = await server.listen({ host: protocol, port: 1 });
      return endpointAddress({ address, region: "eu", attributes: { protocol } });
    }));
    const gateway = createGatewayOn(simulation.host("gateway"), {
      region: "eu", contracts: [Law], client: { protocol: allWires.map(({ protocol }) => protocol) },
      discovery: {
        watch(name, watcher) {
          watcher.snapshot(name === Law.name ? endpoints : []);
          return () => undefined;
        },
      },
    });
    const address = await gateway.listen({ host: "gateway", port: 1 });
    for (const { name, protocol } of allWires) {
      const client = createClientOn(simulation.host("client"), Law, { address, protocol });
      for (let n = 0; n < 20; n++) {
        assert.deepEqual(await client.echo({ n, text: name }), { n, text: name });
        assert.equal((await codeOf(client.fail({ how: "declared" }))).reason, "Sold");
      }
      client.$.close();
    }
  };
  await simulation.runUntil(main(), 600_000);
  assert.deepEqual([...new Set(answered)].sort(), [...spoken].sort());
});
