import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { handClock, property, seededRandom } from "../../test/policies/support.ts";
import type { LoadReport } from "../core/index.ts";
import { loadWatch, type LoadThresholds } from "./index.ts";

const calm: LoadReport = { cpu: 0.2, memory: 0.3, inFlight: 1, callsPerSecond: 100, errorsPerSecond: 0, loopLagMs: 0 };

function setUp(members: number, thresholds: LoadThresholds = {}) {
  const clock = handClock(0);
  const marks = new Map<string, string>();
  const heard: string[] = [];
  const watch = loadWatch({ clock }, thresholds, (id, mark, why) => {
    heard.push(`${id} ${mark ?? "fit"}: ${why}`);
    if (mark === undefined) marks.delete(id);
    else marks.set(id, mark);
  });
  const list = Array.from({ length: members }, (_, i) => watch.member(`s${i}`));
  /** Tells the same every 100 ms. */
  const tell = (server: number, report: Partial<LoadReport>, ms: number): void => {
    for (let at = 0; at <= ms; at += 100) {
      list[server]?.reported({ ...calm, ...report });
      if (at < ms) clock.advance(100);
    }
  };
  return { clock, watch, marks, heard, tell, list };
}

test("a server that is full for half a second is busy, until it has clearly more room", () => {
  const { marks, heard, tell } = setUp(3);
  tell(0, { cpu: 0.97 }, 400);
  assert.equal(marks.size, 0, "a short peak is none");
  tell(0, { cpu: 0.97 }, 200);
  assert.deepEqual([...marks], [["s0", "busy"]]);
  tell(0, { cpu: 0.9 }, 1_000);
  assert.deepEqual([...marks], [["s0", "busy"]], "between the thresholds nothing changes");
  tell(0, { cpu: 0.8 }, 0);
  assert.equal(marks.size, 0);
  tell(0, { cpu: 0.9 }, 1_000);
  assert.equal(marks.size, 0, "nor does it from the other side");
  assert.deepEqual(heard, ["s0 busy: processor 97 % in use", "s0 fit: has room again"]);
});

test("each figure has its threshold, and memory near its end drains", () => {
  const { heard, tell } = setUp(20, { inFlight: { over: 100 } });
  tell(1, { memory: 0.92 }, 600);
  tell(2, { loopLagMs: 300 }, 600);
  tell(3, { inFlight: 120 }, 600);
  tell(4, { memory: 0.98 }, 600);
  assert.deepEqual(heard, ["s1 busy: memory 92 % in use", "s2 busy: event loop 300 ms late",
    "s3 busy: 120 calls in flight", "s4 draining: memory 98 % in use"]);
  const none = setUp(20, { cpu: false, memory: false, memoryDrain: false, loopLagMs: false });
  none.tell(0, { cpu: 1, memory: 1, loopLagMs: 10_000 }, 2_000);
  assert.deepEqual(none.heard, []);
});

test("a mark does not outlive its reports", () => {
  const { clock, marks, heard, tell } = setUp(3);
  tell(0, { cpu: 1 }, 600);
  clock.advance(2_900);
  assert.equal(marks.size, 1);
  clock.advance(200);
  assert.equal(marks.size, 0);
  assert.match(heard.at(-1) ?? "", /tried again/);
  tell(0, { cpu: 1 }, 400);
  assert.equal(marks.size, 0, "it must be full for as long again");
});

test("when more than half is full nobody is spared, whatever order they fill up in", () => {
  const { marks, tell } = setUp(5);
  for (const server of [0, 1]) tell(server, { cpu: 1 }, 600);
  assert.deepEqual([...marks.keys()], ["s0", "s1"]);
  tell(2, { cpu: 1 }, 600);
  assert.equal(marks.size, 0);
  tell(2, { cpu: 0.5 }, 0);
  assert.deepEqual([...marks.keys()], ["s0", "s1"]);
  const lonely = setUp(1);
  lonely.tell(0, { cpu: 1, memory: 1 }, 5_000);
  assert.equal(lonely.marks.size, 0, "the only one is nobody's second choice");
});

test("nobody is spared whose load the others have no room for: they would fill up one after another", () => {
  const { marks, tell } = setUp(10);
  for (let server = 1; server < 10; server++) tell(server, { cpu: 0.9 }, 0);
  tell(0, { cpu: 0.97 }, 600);
  assert.equal(marks.size, 0, "nine that are nine tenths full");
  for (let server = 1; server < 10; server++) tell(server, { cpu: 0.6 }, 0);
  tell(0, { cpu: 0.8 }, 0);
  tell(0, { cpu: 0.97 }, 600);
  assert.deepEqual([...marks.keys()], ["s0"]);
});

test("who is busy can be done without only where the others have room for its load", () => {
  const { clock, tell, watch } = setUp(4);
  assert.ok(watch.hasRoomWithout("s0"), "nobody has told anything");
  const all = (...cpu: readonly number[]): void => cpu.forEach((its, server) => tell(server, { cpu: its }, 0));
  all(0.95, 0.95, 0.95, 0.95);
  assert.ok(!watch.hasRoomWithout("s0"));
  all(0.95, 0.5, 0.5, 0.5);
  assert.ok(watch.hasRoomWithout("s0"));
  all(0.1, 0.94, 0.94, 0.94);
  assert.ok(watch.hasRoomWithout("s0"), "it has next to nothing to do");
  all(0.1, 0.98, 0.98, 0.98);
  assert.ok(!watch.hasRoomWithout("s0"), "the others need whatever help there is");
  all(0.95, 0.65, 0.65, 0.65);
  clock.advance(3_500);
  for (const server of [0, 1]) tell(server, { cpu: 0.95 }, 0);
  assert.ok(!watch.hasRoomWithout("s0"), "two are kept out, and no help");
});

test("each group takes over from its own", () => {
  const marked = (groups: readonly string[]): number => {
    const { clock, watch, marks } = setUp(0);
    const members = groups.map((group, i) => watch.member(`s${i}`, group));
    for (let atMs = 0; atMs <= 600; atMs += 100) {
      members.forEach((member, i) => member.reported({ ...calm, cpu: i < 2 ? 0.99 : 0.1 }));
      clock.advance(100);
    }
    return marks.size;
  };
  assert.equal(marked(["east", "east", "east", "east", "east", "east"]), 2);
  assert.equal(marked(["east", "east", "west", "west", "west", "west"]), 0);
});

test("never more than half is marked, and who has left or begun anew is not", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 12 }), fc.integer(), (members, seed) => {
    const { clock, marks, watch, list } = setUp(members);
    const random = seededRandom(seed);
    let left = members;
    for (let i = 0; i < 500; i++) {
      const server = Math.floor(random.next() * members);
      list[server]?.reported({ ...calm, cpu: random.next() < 0.9 ? 1 : 0.1, memory: random.next() });
      clock.advance(random.next() * 200);
      if (random.next() < 0.002 && left === members) {
        left--;
        watch.forget(`s${server}`);
        marks.delete(`s${server}`);
      }
      if (random.next() < 0.01) {
        list[server]?.reset();
        assert.equal(marks.has(`s${server}`), false);
      }
      assert.ok(marks.size <= left / 2, `${marks.size} of ${left}`);
    }
  }), property);
});

test("who has just died carries nothing, whatever it said a moment ago", () => {
  const { watch, tell, list } = setUp(4);
  for (const server of [0, 1, 2, 3]) tell(server, { cpu: 0.7 }, 0);
  assert.ok(watch.hasRoomWithout("s0"), "three carry what four do");
  list[3]?.serves(false);
  assert.ok(!watch.hasRoomWithout("s0"), "two do not");
  list[3]?.serves(true);
  assert.ok(watch.hasRoomWithout("s0"));
});
