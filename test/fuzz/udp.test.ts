/** The UDP wire under hostile hands: spoofed addresses, garbage, datagrams cut, changed, forged and sent again. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createClientOn } from "../../src/client/index.ts";
import type { Runtime } from "../../src/core/index.ts";
import { udp } from "../../src/protocol/index.ts";
import { ReplayWindow } from "../../src/protocol/udp/seal.ts";
import { createSimulation } from "../../src/runtime/sim/index.ts";
import { createServerOn, type Server, type ServerOptions } from "../../src/server/index.ts";
import { codeOf } from "../conformance/protocol-cases.ts";
import { Notes, pretence, pretending, tapped } from "../udp/support.ts";

const runs = Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 100);

interface World {
  readonly server: Server;
  readonly address: string;
  readonly client: ReturnType<typeof createClientOn<typeof Notes>>;
  readonly clientRuntime: Runtime;
  readonly attacker: Runtime;
  /** Datagrams that the server got, and how often `tell` ran by its number. */
  readonly heard: [Uint8Array, string][];
  readonly told: Map<number, number>;
  sleep(ms: number): Promise<void>;
}

async function inWorld(options: ServerOptions, run: (world: World) => Promise<void>, seed = 1): Promise<void> {
  const simulation = createSimulation({ seed, link: { latencyMs: 1 } });
  const heard: World["heard"] = [];
  const told: World["told"] = new Map();
  const runtime = pretending(tapped(simulation.host("server"), { heard: (...one) => void heard.push(one) }));
  const server = createServerOn(runtime, { udp: true, ...options }).implement(Notes, {
    tell: ({ n }) => {
      told.set(n, (told.get(n) ?? 0) + 1);
      return {};
    },
    ask: (input) => input, slow: () => ({}), large: ({ size }) => ({ text: "x".repeat(size) }),
    keyed: (_, context) => ({ key: context.idempotencyKey ?? "" }),
  });
  const clientRuntime = pretending(simulation.host("client"));
  const attacker = simulation.host("attacker");
  const main = async (): Promise<void> => {
    const address = await server.listen({ host: "server", port: 7 });
    const client = createClientOn(clientRuntime, Notes, {
      address, tls: options.tls, protocol: udp({ acknowledgeOneway: true }),
    });
    const sleep = (ms: number): Promise<void> =>
      new Promise((resolve) => void attacker.clock.after(ms, () => resolve()));
    await run({ server, address, client, clientRuntime, attacker, heard, told, sleep });
    client.$.close();
    await sleep(10);
    await server.close(100);
  };
  await simulation.runUntil(main(), 3_600_000);
}

const share = fc.double({ min: 0, max: 0.999_999, noNaN: true });
/** A datagram that was seen on its way, changed somewhere, cut, or with something behind it. */
const damage = fc.record({
  which: share, at: share, byte: fc.nat(255), cut: fc.option(share), tail: fc.uint8Array({ maxLength: 20 }),
});

describe("UDP against hostile hands", () => {
  test("nobody gets more bytes than came from their address before it was proven", async () => {
    await inWorld({}, async ({ address, attacker, heard, sleep, server, client }) => {
      await client.ask({ n: 1 });
      const [seen] = heard.at(-1) as [Uint8Array, string];
      let got = 0;
      const socket = await attacker.network.datagrams("0.0.0.0:9", (bytes) => void (got += bytes.length));
      let sent = 0;
      const send = (bytes: Uint8Array): void => {
        sent += bytes.length;
        socket.send(bytes, address);
      };
      for (let length = 0; length <= 80; length++) {
        for (let type = 0; type < 64; type++) {
          for (const version of [1, 2]) {
            const bytes = new Uint8Array(length);
            bytes.set([0x4d, 0x55, version, type].slice(0, length));
            const before = got;
            send(bytes);
            await sleep(3);
            assert.ok(got - before <= length, `type ${type} of ${length} bytes was answered with ${got - before}`);
          }
        }
      }
      // What another proved does not hold here, not even with its id.
      const before = got;
      for (let i = 0; i < 100; i++) send(seen);
      await sleep(10);
      assert.ok(got > before, "who knows an id is asked to prove the address");
      assert.ok(got <= sent);
      assert.equal(server.connections, 1, "nothing of it is kept");
      await socket.close();
    });
  });

  for (const tls of [undefined, pretence()]) {
    const how = tls === undefined ? "in the clear" : "sealed";
    test(`datagrams seen, changed and sent again run nothing twice and break nothing, ${how}`, async () => {
      await fc.assert(fc.asyncProperty(fc.array(damage, { maxLength: 60 }), fc.nat(1_000), async (damages, seed) => {
        await inWorld({ tls }, async ({ address, attacker, heard, told, client, clientRuntime, sleep }) => {
          for (let n = 0; n < 5; n++) await client.tell({ n });
          const copies = [...heard];
          const port = copies.at(-1)?.[1] ?? "";
          const socket = await attacker.network.datagrams("0.0.0.0:9", () => undefined);
          // From an address of its own, and from the client's, as who can write any address may.
          const own = await clientRuntime.network.datagrams("0.0.0.0:0", () => undefined);
          assert.notEqual(own.address, port);
          for (const [bytes] of copies) {
            socket.send(bytes, address);
            own.send(bytes, address);
          }
          for (const { which, at, byte, cut, tail } of damages) {
            const [whole] = copies[Math.floor(which * copies.length)] as [Uint8Array, string];
            const bytes = Uint8Array.from([...whole.subarray(0, cut === null ? whole.length : cut * whole.length),
              ...tail]);
            bytes[Math.floor(at * bytes.length)] = byte;
            socket.send(bytes, address);
          }
          await sleep(50);
          for (let n = 0; n < 5; n++) assert.equal(told.get(n), 1);
          assert.equal((await client.ask({ n: 7 })).n, 7);
          if (tls !== undefined) assert.equal([...told.values()].reduce((sum, one) => sum + one, 0), 5);
          await Promise.all([socket.close(), own.close()]);
        }, seed);
      }), { seed: 1, numRuns: Math.ceil(runs / 4) });
    });
  }

  test("what comes again from the proven address runs nothing twice, damaged or whole", async () => {
    for (const tls of [undefined, pretence()]) {
      await fc.assert(fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 40 }), async (damages) => {
        const simulation = createSimulation({ seed: 1, link: { latencyMs: 1 } });
        const told: number[] = [];
        const server = createServerOn(pretending(simulation.host("server")), { udp: true, tls }).implement(Notes, {
          tell: ({ n }) => {
            told.push(n);
            return {};
          },
          ask: (input) => input, slow: () => ({}), large: () => ({ text: "" }), keyed: () => ({ key: "" }),
        });
        let left = 0;
        // Each datagram goes twice, and now and then a damaged copy of it before: all from the same socket.
        const base = simulation.host("client");
        const runtime = pretending({ ...base, network: { ...base.network, async datagrams(at, receive) {
          const socket = await base.network.datagrams(at, receive);
          return { address: socket.address, maxBytes: socket.maxBytes, close: () => socket.close(), send(bytes, to) {
            const one = damages[left++ % damages.length] as (typeof damages)[number];
            const bad = Uint8Array.from([...bytes.subarray(0, one.cut === null ? bytes.length
              : one.cut * bytes.length), ...one.tail]);
            if (tls !== undefined) bad[Math.floor(one.at * bad.length)] = one.byte;
            if (tls !== undefined || one.cut !== null) socket.send(bad, to);
            socket.send(bytes, to);
            return socket.send(bytes, to);
          } };
        } } });
        const main = async (): Promise<void> => {
          const address = await server.listen({ host: "server", port: 7 });
          const client = createClientOn(runtime, Notes, { address, tls, protocol: udp({ acknowledgeOneway: true }) });
          for (let n = 0; n < 6; n++) await client.tell({ n }).catch(() => undefined);
          client.$.close();
        };
        await simulation.runUntil(main(), 600_000);
        // In the clear a damaged call may be another call, told in its place: but no number is run twice.
        assert.ok(told.length <= 6, told.join());
        if (tls !== undefined) assert.deepEqual(told, [0, 1, 2, 3, 4, 5]);
      }), { seed: 2, numRuns: Math.ceil(runs / 4) });
    }
  });

  test("whatever the bytes, the server goes on", async () => {
    const garbage = fc.array(fc.tuple(fc.nat(63), fc.uint8Array({ maxLength: 200 })), { maxLength: 100 });
    await fc.assert(fc.asyncProperty(garbage, async (all) => {
      await inWorld({}, async ({ address, attacker, client, heard, sleep }) => {
        await client.ask({ n: 1 });
        const id = (heard.at(-1) as [Uint8Array, string])[0].subarray(4, 12);
        const socket = await attacker.network.datagrams("0.0.0.0:9", () => undefined);
        for (const [type, bytes] of all) {
          socket.send(bytes, address);
          socket.send(Uint8Array.from([0x4d, 0x55, 1, type, ...id, 9, 0, 0, 0, ...bytes]), address);
        }
        await sleep(20);
        assert.equal((await client.ask({ n: 2 })).n, 2);
        await socket.close();
      });
    }), { seed: 3, numRuns: Math.ceil(runs / 4) });
  });

  test("sealed datagrams show nothing of their calls, and who does not seal is refused with the reason", async () => {
    await inWorld({ tls: pretence() }, async ({ address, clientRuntime, heard, client }) => {
      await client.ask({ n: 1 });
      assert.ok(heard.length >= 3);
      for (const [bytes] of heard) {
        assert.equal((bytes[3] as number) & 0x80, 0x80);
        assert.ok(!new TextDecoder("latin1").decode(bytes).includes("notes.v1"));
      }
      const open = createClientOn(clientRuntime, Notes, { address, retry: false, protocol: udp() });
      // As much of the reason as is no longer than the hello was.
      assert.match((await codeOf(open.ask({ n: 1 }))).message, /no datagrams from here: datagrams are sealed here/);
      open.$.close();
    });
  });

  test("sessions are forgotten when nothing comes for long, and there is a most of them", async () => {
    await inWorld({ udp: { maxSessions: 2, idleTimeoutMs: 20_000 } }, async (world) => {
      const { server, address, client, clientRuntime, sleep } = world;
      await client.ask({ n: 1 });
      const others = [1, 2].map(() => createClientOn(clientRuntime, Notes, { address, retry: false, protocol: udp() }));
      const [second, third] = others as [typeof client, typeof client];
      await second.ask({ n: 2 });
      assert.match((await codeOf(third.ask({ n: 3 }))).message, /2 sessions are open \(maxSess/);
      third.$.close();
      await sleep(60_000);
      assert.ok(server.connections >= 1, "a client that lives keeps its session");
      assert.equal((await client.ask({ n: 4 })).n, 4);
      second.$.close();
      client.$.close();
      await sleep(100);
      assert.equal(server.connections, 0, "who says goodbye is forgotten at once");
    });
  });

  test("an answer that is too large is an error that says so, and keys travel", async () => {
    await inWorld({}, async ({ client }) => {
      assert.equal((await client.large({ size: 1_000 })).text.length, 1_000);
      const error = await codeOf(client.large({ size: 1_300 }));
      assert.equal(error.code, "resource_exhausted");
      assert.match(error.message, /answer of notes\.v1\.Notes\/large is 13\d\d bytes.*call it by TCP/);
      assert.match((await client.keyed({})).key, /^.{32,}$/);
    });
  });

  test("a packet number is taken once, and not when it is too old", () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 5_000 }), { maxLength: 300 }), (numbers) => {
      const replays = new ReplayWindow();
      const seen = new Set<number>();
      let highest = 0;
      for (const number of numbers) {
        assert.equal(replays.has(number), seen.has(number) || number <= highest - 1_024);
        if (replays.has(number)) continue;
        replays.add(number);
        seen.add(number);
        highest = Math.max(highest, number);
      }
    }), { seed: 4, numRuns: runs });
  });
});
