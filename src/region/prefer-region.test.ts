import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import {
  candidates, context, handClock, property, type TestCandidate,
} from "../../test/policies/support.ts";
import type { Candidate, Picker } from "../core/index.ts";
import { preferRegion, regionControl, type RegionPreferenceOptions } from "./index.ts";

/** In turn, so that nothing is left to chance. */
function inTurn(): Picker {
  let turn = 0;
  return (all) => all[turn++ % all.length];
}

const roundTrips: Record<string, number> = { home: 1, near: 30, far: 90 };

/** Ten endpoints in each of three regions, with measured round trips. */
function world(options: Partial<RegionPreferenceOptions> = {}, perRegion = 10) {
  const clock = handClock();
  const all = candidates(3 * perRegion, (i) => {
    const region = ["home", "near", "far"][Math.floor(i / perRegion)] as string;
    return { region, zone: "abc"[i % 3] as string };
  });
  for (const each of all) {
    each.load.leastRoundTripMs = roundTrips[each.address.region] as number;
    each.load.readySinceMs = clock.now();
  }
  const picker = preferRegion({ clock }, { region: "home", ...options })(inTurn());
  let snapshot: readonly TestCandidate[] = all.slice();
  return {
    clock, all, picker,
    /** Sets the first `ready` endpoints of a region ready and the others connecting; makes a new snapshot. */
    set: (region: string, ready: number, otherwise: TestCandidate["status"] = "connecting") => {
      all.filter((each) => each.address.region === region)
        .forEach((each, i) => {
          each.status = i < ready ? "ready" : otherwise;
          if (i < ready) each.load.readySinceMs = clock.now();
        });
      snapshot = all.slice();
    },
    pick: (call = context()) => picker(snapshot, call.with({ startedMs: clock.now() })),
    /** How many of 1,000 calls each region gets. */
    count: (call = context()) => {
      const counts: Record<string, number> = {};
      for (let i = 0; i < 1_000; i++) {
        const region = picker(snapshot, call.with({ startedMs: clock.now() }))?.address.region ?? "nobody";
        counts[region] = (counts[region] ?? 0) + 1;
      }
      return counts;
    },
  };
}

test("all calls stay at home while home is well", () => {
  assert.deepEqual(world().count(), { home: 1_000 });
});

test("calls spill by Envoy's table, exactly", () => {
  const { set, count } = world();
  set("home", 5);
  assert.deepEqual(count(), { home: 700, near: 300 });
  set("home", 0);
  assert.deepEqual(count(), { near: 1_000 });
  set("near", 0);
  assert.deepEqual(count(), { far: 1_000 });
});

test("regions that nobody has dialled yet count as able", () => {
  const { set, count } = world();
  set("near", 0, "idle");
  count();
  set("home", 0);
  assert.deepEqual(count(), { near: 1_000 });
});

test("where connections are made as needed, the idle are called beside the ready", () => {
  const { all, picker } = world();
  all.forEach((each, i) => (each.status = i === 0 ? "ready" : "idle"));
  const seen = new Set(Array.from({ length: 100 }, () => picker(all, context())));
  assert.equal(seen.size, 10);
});

test("an endpoint that gets another weight and keeps its object is weighed anew", () => {
  const all = candidates(2, () => ({ region: "home" })) as { address: TestCandidate["address"] }[];
  const arrays = new Set<unknown>();
  const picker = preferRegion({ clock: handClock() }, { region: "home" })((inner) => {
    arrays.add(inner);
    return inner[0];
  });
  picker(all.slice() as TestCandidate[], context());
  picker(all.slice() as TestCandidate[], context());
  assert.equal(arrays.size, 1);
  all[0]!.address = { ...all[0]!.address, weight: 5 };
  picker(all.slice() as TestCandidate[], context());
  assert.equal(arrays.size, 2);
});

test("at the start calls wait for home to connect, and the first to do so does not make the others look ill", () => {
  const { set, count, all } = world();
  for (const each of all) each.load.readySinceMs = 0;
  set("home", 0);
  assert.deepEqual(count(), { home: 1_000 });
  set("home", 1);
  assert.deepEqual(count(), { home: 1_000 });
});

test("a first start is not held down, however late", () => {
  const { set, count, clock, all } = world();
  for (const each of all) each.load.readySinceMs = 0;
  set("home", 0);
  count();
  clock.advance(20_000);
  assert.deepEqual(count(), { near: 1_000 });
  set("home", 10);
  assert.deepEqual(count(), { home: 1_000 });
});

test("adding servers to a region sends no call away, unless they never connect", () => {
  const { all, picker, clock } = world();
  picker(all, context({ startedMs: clock.now() }));
  const more = candidates(20, (i) => ({ address: `new${i}`, region: "home" }));
  for (const each of more) each.status = "connecting";
  const grown = [...all, ...more];
  const shareAt = () => {
    picker(grown, context({ startedMs: clock.now() }));
    return picker.regionShares()["home"] as number;
  };
  assert.equal(shareAt(), 1);
  clock.advance(1_100);
  assert.ok(shareAt() < 0.5);
});

test("panic uses the ejected, never those that cannot be reached", () => {
  const { set, all, count } = world();
  set("near", 0, "closed");
  set("far", 0, "closed");
  set("home", 2, "ejected");
  all[9]!.status = "connecting";
  const seen = new Set<Candidate>();
  assert.deepEqual(count(), { home: 1_000 });
  const { picker } = world();
  for (let i = 0; i < 100; i++) seen.add(picker(all, context()) as Candidate);
  assert.equal(seen.size, 9);
});

test("fail-back: down at once, held, then a monotone ramp in which no second moves 10 % of the traffic", () => {
  const { set, count, clock } = world();
  count();
  set("home", 0);
  assert.equal(count()["home"], undefined);
  clock.advance(3_000);
  set("home", 10);
  for (let ms = 0; ms < 5_000; ms += 500) {
    assert.equal(count()["home"], undefined, `held at ${ms}`);
    clock.advance(500);
  }
  let before = 0;
  for (let second = 0; second <= 32; second++) {
    const now = count()["home"] ?? 0;
    assert.ok(now >= before - 1 && now - before < 100, `second ${second}: ${before} to ${now}`);
    before = now;
    clock.advance(1_000);
  }
  assert.equal(before, 1_000);
});

test("a region that flaps for five minutes is not returned to meanwhile", () => {
  const { set, count, clock, picker } = world();
  count();
  const changes: number[] = [];
  let share = 1;
  let direction = -1;
  for (let ms = 0; ms < 300_000; ms += 1_000) {
    set("home", Math.floor(ms / 5_000) % 2 === 0 ? 0 : 10);
    count();
    const now = picker.regionShares()["home"] as number;
    const moved = Math.sign(now - share);
    if (moved !== 0 && moved !== direction) {
      direction = moved;
      changes.push(ms);
    }
    share = now;
    clock.advance(1_000);
  }
  assert.deepEqual(changes, []);
});

test("however a region flaps, it is not tried again within a minute of a return that failed", () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 4, maxLength: 20 }), (phases) => {
    const { set, pick, clock, picker } = world();
    pick();
    const rises: number[] = [];
    let share = 1;
    let rising = false;
    let at = 0;
    phases.forEach((seconds, phase) => {
      set("home", phase % 2 === 0 ? 0 : 10);
      for (let i = 0; i < seconds * 2; i++, at += 500) {
        pick();
        const now = picker.regionShares()["home"] as number;
        if (now > share && !rising) rises.push(at);
        rising = now > share || (rising && now === share);
        if (phase % 2 === 1) assert.ok(now >= share - 1e-9, "a return is monotone");
        share = now;
        clock.advance(500);
      }
    });
    rises.slice(1).forEach((each, i) => assert.ok(each - (rises[i] as number) >= 60_000, rises.join()));
  }), { ...property, numRuns: Math.min(property.numRuns, 50) });
});

test("when the others cannot carry it, a region in hold-down is used at once", () => {
  const { set, count } = world();
  count();
  set("home", 0);
  count();
  set("home", 10);
  set("near", 0);
  set("far", 0);
  assert.deepEqual(count(), { home: 1_000 });
});

test("a drained region gets nothing, not even when it is the only one", () => {
  const control = regionControl();
  const { count, set } = world({ control });
  count();
  control.drain("home");
  assert.deepEqual(count(), { near: 1_000 });
  set("near", 0, "closed");
  set("far", 0, "closed");
  assert.deepEqual(count(), { nobody: 1_000 });
  control.undrain("home");
  assert.deepEqual(count(), { home: 1_000 });
});

test("residency is never left, whatever the health", () => {
  const { count, set } = world({ residency: () => ["near", "atlantis"] });
  assert.deepEqual(count(), { near: 1_000 });
  set("near", 0, "ejected");
  assert.deepEqual(count(), { near: 1_000 });
  set("near", 0, "closed");
  assert.deepEqual(count(), { nobody: 1_000 });
});

test("a route key goes to its home, and past a gateway nothing leaves the region", () => {
  const { count, set } = world({ home: (key) => key.split("/")[0] });
  assert.deepEqual(count(context({ routeKey: "far/7" })), { far: 1_000 });
  assert.deepEqual(count(context({ routeKey: "nowhere/7" })), { home: 1_000 });
  assert.deepEqual(count(context({ routeKey: "far/7", hops: 1 })), { home: 1_000 });
  set("home", 0, "closed");
  assert.deepEqual(count(context({ hops: 1 })), { nobody: 1_000 });
  set("far", 0);
  assert.deepEqual(count(context({ routeKey: "far/7" })), { near: 1_000 });
});

test("a retry stays once, then goes to another region", () => {
  const { all, pick } = world();
  const [first, second] = all as [TestCandidate, TestCandidate];
  assert.equal(pick(context({ attempt: 1, avoid: [first] }))?.address.region, "home");
  assert.equal(pick(context({ attempt: 2, avoid: [first, second] }))?.address.region, "near");
});

test("regions too far for what is left of the deadline are left out", () => {
  const { set, count, clock, all } = world();
  set("home", 5);
  assert.deepEqual(count(context({ deadline: clock.now() + 500 })), { home: 700, near: 300 });
  assert.deepEqual(count(context({ deadline: clock.now() + 20 })), { home: 1_000 });
  for (const each of all) each.load.latencyMs = 200;
  clock.advance(100);
  assert.deepEqual(count(context({ deadline: clock.now() + 100 })), { home: 1_000 });
});

test("zones: calls stay in the own one while it has its share of the servers", () => {
  const { set, pick, all, count } = world({ zone: "b" }, 12);
  count();
  const zones = () => {
    const counts: Record<string, number> = {};
    for (let i = 0; i < 1_200; i++) {
      const zone = pick()?.address.zone ?? "";
      counts[zone] = (counts[zone] ?? 0) + 1;
    }
    return counts;
  };
  assert.deepEqual(zones(), { b: 1_200 });
  all.filter((each) => each.address.zone === "b").slice(0, 2).forEach((each) => (each.status = "connecting"));
  set("far", 10);
  const spilt = zones();
  // 2 of 10 servers for a third of the callers: three fifths stay.
  assert.ok(Math.abs((spilt["b"] ?? 0) - 720) <= 2, JSON.stringify(spilt));
});

test("traffic follows any health within one call, and no share has a cliff", () => {
  fc.assert(fc.property(fc.nat(10), fc.nat(10), fc.nat(10), (home, near, far) => {
    const { set, count, picker } = world();
    count();
    set("home", home);
    set("near", near);
    set("far", far);
    const counts = count();
    for (const [region, share] of Object.entries(picker.regionShares())) {
      assert.ok(Math.abs((counts[region] ?? 0) - share * 1_000) <= 2, `${region} ${counts[region]} for ${share}`);
    }
  }), property);
});

test("load spills to the next region, settles at the target, and returns without swinging", () => {
  const { clock, all, pick, picker } = world();
  // One client stands for all: a region of capacity 100 calls a step is used by what was sent to it in the last.
  let sent: Record<string, number> = {};
  const run = (steps: number, demand: number): number[] => {
    const shares: number[] = [];
    for (let step = 0; step < steps; step++) {
      sent = {};
      for (let i = 0; i < demand; i++) {
        const region = pick()?.address.region ?? "";
        sent[region] = (sent[region] ?? 0) + 1;
      }
      clock.advance(100);
      for (const each of all) {
        const cpu = (sent[each.address.region] ?? 0) / 100;
        each.load.report = { cpu, memory: 0, inFlight: 0, callsPerSecond: 0, errorsPerSecond: 0, loopLagMs: 0 };
        each.load.reportAtMs = clock.now();
      }
      shares.push(picker.regionShares()["home"] as number);
    }
    return shares;
  };
  assert.equal(run(20, 60).at(-1), 1, "below the target everything stays");
  run(150, 120);
  assert.ok(Math.abs((sent["home"] ?? 0) - 75) <= 4, `home ${sent["home"]} near ${sent["near"]}`);
  assert.ok((sent["near"] ?? 0) <= 79);
  const back = run(200, 60);
  assert.equal(back.at(-1), 1);
  back.slice(1).forEach((share, i) => assert.ok(share >= (back[i] as number) - 0.01, "the return is monotone"));
});

/** Every region reports that it is so busy. */
function used(all: readonly TestCandidate[], nowMs: number, cpu: Readonly<Record<string, number>>): void {
  for (const each of all) {
    const its = cpu[each.address.region];
    if (its === undefined) continue;
    each.load.report = { cpu: its, memory: 0, inFlight: 0, callsPerSecond: 0, errorsPerSecond: 0, loopLagMs: 0 };
    each.load.reportAtMs = nowMs;
  }
}

test("when a region falls, each of the others takes at once what it has room for", () => {
  for (const [cpu, near] of [
    // Room for 0.9 - 0.6 each: beyond the threshold all shall be as busy as all are on the whole.
    [{ home: 0.6, near: 0.6, far: 0.6 }, 500],
    [{ home: 0.3, near: 0.6, far: 0.6 }, 500],
    // The nearer one has room for everything.
    [{ home: 0.3, near: 0.4, far: 0.4 }, 1_000],
    // Nobody has told anything of the others: they are taken to be as busy as the fallen one was.
    [{ home: 0.6 }, 500],
    // Nothing is known at all: nearest first.
    [{}, 1_000],
  ] as const) {
    const { all, clock, count, pick, set } = world();
    pick();
    used(all, clock.now(), cpu);
    clock.advance(150);
    used(all, clock.now(), cpu);
    assert.deepEqual(count(), { home: 1_000 });
    set("home", 0, "suspect");
    const counts = count();
    assert.ok(Math.abs((counts["near"] ?? 0) - near) <= 2, `${JSON.stringify(cpu)}: ${JSON.stringify(counts)}`);
    assert.equal((counts["near"] ?? 0) + (counts["far"] ?? 0), 1_000);
  }
});

test("the same where its servers fall one by one", () => {
  const { all, clock, count, pick, set } = world();
  pick();
  used(all, clock.now(), { home: 0.6, near: 0.6, far: 0.6 });
  clock.advance(150);
  used(all, clock.now(), { home: 0.6, near: 0.6, far: 0.6 });
  pick();
  for (let ready = 9; ready >= 0; ready--) {
    set("home", ready, "suspect");
    pick();
  }
  const { near = 0, far = 0 } = count();
  assert.ok(near + far === 1_000 && Math.abs(near - far) <= 60, `${near} and ${far}`);
});

test("where all are beyond the threshold they are held to what all are on the whole, and its own callers stay", () => {
  const { all, clock, pick, picker } = world();
  for (let i = 0; i < 100; i++) {
    pick();
    clock.advance(100);
    used(all, clock.now(), { home: 0.9, near: 0.9, far: 0.9 });
  }
  assert.equal(picker.regionShares()["home"], 1);
});

test("the observer hears of shares that moved", () => {
  const heard: string[] = [];
  const { set, count } = world({
    observer: { event: (name, { region, share }) => heard.push([name, region, share].join(" ")) },
  });
  count();
  set("home", 0);
  count();
  assert.ok(heard.includes("region.share home 0") && heard.includes("region.share near 1"), heard.join("; "));
});
