// Packets on their way: what the weather does to them, and that what is mended is what a kernel takes.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { once } from "node:events";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { packetWire } from "../../chaos/fleet/packet-wire.ts";
import { arrivalsMs, mend } from "../../chaos/fleet/packets.ts";
import { together } from "../../chaos/frame/together.ts";
import { seededRandom } from "../policies/support.ts";

test("packets are lost, doubled, late and cut off as often as it is said", () => {
  const { next } = seededRandom(5);
  const count = (weather: Parameters<typeof arrivalsMs>[0]) => {
    const all = Array.from({ length: 20_000 }, () => arrivalsMs(weather, () => next()));
    return {
      lost: all.filter((one) => one.length === 0).length / 200,
      doubled: all.filter((one) => one.length === 2).length / 200,
      delays: all.flat(),
    };
  };
  const plain = count({});
  assert.deepEqual([plain.lost, plain.doubled, Math.max(...plain.delays)], [0, 0, 0]);
  const bad = count({ lossPercent: 5, doublePercent: 10, delayMs: 20, jitterMs: 10 });
  assert.ok(Math.abs(bad.lost - 5) < 0.6, `${bad.lost} % lost`);
  assert.ok(Math.abs(bad.doubled - 9.5) < 0.8, `${bad.doubled} % doubled`);
  assert.ok(bad.delays.every((ms) => ms >= 20 && ms <= 30));
  assert.ok(Math.max(...bad.delays) > 29.9);
  assert.equal(count({ cut: true }).lost, 100);
});

/** A VXLAN datagram with an IPv4 packet; the checksum's place is given as it is left by a kernel without a card. */
function datagramOf(payload: Uint8Array, protocol: number): Uint8Array {
  const bytes = new Uint8Array(22 + 20 + 20 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(20, 0x0800);
  view.setUint8(22, 0x45);
  view.setUint16(24, 40 + payload.length);
  view.setUint8(31, protocol);
  bytes.set([10, 0, 0, 1, 10, 0, 0, 2], 34);
  bytes.set(payload, 62);
  view.setUint16(42 + (protocol === 6 ? 16 : 6), 0xdead);
  return bytes;
}

test("a mended checksum adds up over the pseudo header and the segment, of odd length as well", () => {
  for (const protocol of [6, 17]) {
    for (const length of [0, 1, 2, 7, 1_300]) {
      const bytes = datagramOf(Uint8Array.from({ length }, (_, i) => i * 31), protocol);
      assert.ok(mend(bytes));
      const padded = [...bytes.subarray(34), 0];
      let sum = protocol + 20 + length;
      for (let at = 0; at + 1 < padded.length; at += 2) {
        sum += (padded[at] as number) * 256 + (padded[at + 1] as number);
      }
      while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
      assert.equal(sum, 0xffff);
    }
  }
});

test("what is no IPv4 is not carried, and what is cut short is left alone", () => {
  const bytes = datagramOf(new Uint8Array(8), 6);
  assert.equal(mend(bytes.subarray(0, 30)), false);
  assert.equal(mend(bytes.subarray(0, 50)), true);
  new DataView(bytes.buffer).setUint16(20, 0x86dd);
  assert.equal(mend(bytes), false);
  assert.equal(mend(new Uint8Array()), false);
});

test("over a wire that loses one packet in ten TCP brings everything, later; cut off, nothing comes",
  { timeout: 60_000 }, async (t) => {
    const wire = await packetWire();
    if (typeof wire === "string") return t.skip(wire);
    t.after(() => wire.close());
    const echo = `require("net").createServer((s) => s.pipe(s)).listen(9000, "${wire.host}", () => console.log("up"))`;
    const [command, ...args] = [...wire.prefix, process.execPath, "-e", echo];
    const child = spawn(command ?? process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    t.after(() => child.kill("SIGKILL"));
    await once(child.stdout, "data");
    await wire.weather({ toServers: { delayMs: 10 }, toCallers: { delayMs: 10 } });
    const socket = connect(9_000, wire.host);
    t.after(() => socket.destroy());
    await once(socket, "connect");
    const beganMs = performance.now();
    socket.write("x");
    await once(socket, "data");
    assert.ok(performance.now() - beganMs >= 19, `there and back in ${performance.now() - beganMs} ms`);

    await wire.figures();
    const bad = { lossPercent: 10, delayMs: 1, jitterMs: 3, doublePercent: 2 };
    await wire.weather({ toServers: bad, toCallers: bad });
    const sent = Buffer.from(Uint8Array.from({ length: 200_000 }, (_, i) => (i * 7) % 251));
    socket.write(sent);
    let got = Buffer.alloc(0);
    while (got.length < sent.length) got = Buffer.concat([got, (await once(socket, "data"))[0] as Buffer]);
    assert.ok(got.equals(sent));
    const figures = await wire.figures();
    if (figures !== undefined) assert.ok(figures.lost > 0 && figures.lost < figures.passed, JSON.stringify(figures));

    await wire.weather({ toCallers: { cut: true } });
    let heard = "";
    socket.setEncoding("latin1").on("data", (text: string) => { heard += text; });
    socket.write("y");
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.equal(heard, "");
    const more = once(socket, "data");
    await wire.weather({});
    await more;
    assert.equal(heard, "y");
  });

test("rows of several streams come as they are made; when one fails, the others end", async () => {
  const ended: string[] = [];
  async function *rows(name: string, ms: number, failsAt = Infinity): AsyncGenerator<string> {
    try {
      for (let i = 0; i < 3; i++) {
        await new Promise((resolve) => setTimeout(resolve, ms));
        if (i === failsAt) throw new Error(name);
        yield `${name}${i}`;
      }
    } finally {
      ended.push(name);
    }
  }
  const got: string[] = [];
  for await (const row of together([rows("a", 1), rows("b", 30)])) got.push(row);
  assert.deepEqual(got.toSorted(), ["a0", "a1", "a2", "b0", "b1", "b2"]);
  assert.equal(got[0], "a0");
  ended.length = 0;
  await assert.rejects(async () => {
    for await (const _ of together([rows("a", 1, 1), rows("b", 20)])) continue;
  }, /^Error: a$/);
  assert.deepEqual(ended, ["a", "b"]);
});
