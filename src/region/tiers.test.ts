// Who takes over within a region: spares, backups, and servers that say they are busy.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import {
  candidate, candidates, context, handClock, property, type TestCandidate,
} from "../../test/policies/support.ts";
import { type Candidate, type EndpointFields, lastActiveTier, type Picker, tierOf, tierShares } from "../core/index.ts";
import { preferRegion, type RegionPreferenceOptions } from "./index.ts";

function inTurn(): Picker {
  let turn = 0;
  return (all) => all[turn++ % all.length];
}

/** One region under its picker. */
function world(fields: readonly Partial<EndpointFields>[], options: Partial<RegionPreferenceOptions> = {}) {
  const clock = handClock();
  const all = candidates(fields.length, (i) => ({ region: "home", ...fields[i] }));
  for (const each of all) each.load.readySinceMs = clock.now();
  const picker = preferRegion({ clock }, { region: "home", ...options })(inTurn());
  /** Who is picked when these have these statuses. */
  return (statuses: readonly TestCandidate["status"][]): string => {
    statuses.forEach((status, i) => (all[i] as TestCandidate).status = status);
    const snapshot = all.slice();
    clock.advance(200);
    const picked = new Set<string>();
    for (let i = 0; i < 40; i++) {
      picked.add(picker(snapshot, context().with({ startedMs: clock.now() }))?.address.id ?? "nobody");
    }
    return [...picked].sort().join(" ");
  };
}

const spare = { priority: 1 };

test("a spare joins when less than 71 % is able, or at once where one is to be replaced", () => {
  const usual = world([{}, {}, {}, {}, spare]);
  assert.equal(usual(["ready", "ready", "ready", "ready", "ready"]), "e0 e1 e2 e3");
  assert.equal(usual(["ejected", "ready", "ready", "ready", "ready"]), "e1 e2 e3");
  assert.equal(usual(["ejected", "suspect", "ready", "ready", "ready"]), "e2 e3 e4");
  const replaced = world([{}, {}, {}, {}, spare], { overprovisioning: 1 });
  assert.equal(replaced(["ejected", "ready", "ready", "ready", "ready"]), "e1 e2 e3 e4");
  assert.equal(replaced(["ready", "ready", "ready", "ready", "ready"]), "e0 e1 e2 e3");
});

test("spares take what is missing, and no more, however many they are", () => {
  const clock = handClock();
  const fields = Array.from({ length: 200 }, (_, i) =>
    ({ region: "home", zone: i % 2 === 0 ? "a" : "b", priority: i < 100 ? 0 : 1 }));
  for (const zone of [undefined, "a"]) {
    for (const [able, expected] of [[100, 1], [72, 1], [71, 0.994], [70, 0.98], [50, 0.7], [20, 0.28], [0, 0]]) {
      if (able === undefined || expected === undefined) continue;
      const all = candidates(fields.length, (i) => ({ ...fields[i] }));
      all.forEach((each, i) => {
        each.load.readySinceMs = clock.now();
        if (i < 100 && i >= able) each.status = "ejected";
      });
      const picker = preferRegion({ clock }, { region: "home", ...(zone === undefined ? {} : { zone }) })(inTurn());
      let first = 0;
      for (let i = 0; i < 1_000; i++) {
        const picked = picker(all, context().with({ startedMs: clock.now() }));
        if (picked?.address.priority === 0) first++;
      }
      assert.ok(Math.abs(first / 1_000 - expected) <= 0.002, `${able} able: ${first} of 1000, zone ${zone}`);
    }
  }
});

test("a repeat has all tiers to choose from", () => {
  const clock = handClock();
  const all = candidates(5, (i) => ({ region: "home", priority: i < 4 ? 0 : 1 }));
  for (const each of all.slice(1, 4)) each.status = "ejected";
  const seen = new Set<number>();
  const picker = preferRegion({ clock }, { region: "home" })((among) => {
    seen.add(among.length);
    return among[0];
  });
  for (let i = 0; i < 20; i++) picker(all, context().with({ startedMs: clock.now() }));
  assert.deepEqual([...seen], [1]);
  picker(all, context().with({ startedMs: clock.now(), avoid: [all[0] as Candidate] }));
  assert.deepEqual([...seen], [1, 2]);
});

test("shares of tiers add up, follow the factor, and go by weight where all together fall short", () => {
  const shares = (factor: number, ...tiers: readonly (readonly [of: number, able: number])[]): number[] =>
    tierShares(tiers.flatMap(([of, able], priority) => Array.from({ length: of }, (_, i) =>
      candidate({ priority }, i < able ? "ready" : "ejected"))), ({ status }) => status === "ready", factor)
      .map(({ share }) => Math.round(share * 1_000) / 1_000);
  assert.deepEqual(shares(1.4, [4, 4], [1, 1]), [1]);
  assert.deepEqual(shares(1.4, [4, 2], [1, 1]), [0.7, 0.3]);
  assert.deepEqual(shares(1, [4, 3], [1, 1]), [0.75, 0.25]);
  assert.deepEqual(shares(1.4, [4, 1], [1, 1]), [0.5, 0.5], "both together are short: alike by weight");
  assert.deepEqual(shares(1.4, [10, 2], [3, 3], [9, 9]), [0.28, 0.42, 0.3]);
  assert.deepEqual(shares(Infinity, [10, 1], [3, 3]), [1]);
  assert.deepEqual(shares(1.4, [10, 0], [3, 3]), [1]);
  assert.deepEqual(shares(1.4, [10, 0], [3, 0]), []);
});

test("a backup waits until nobody is able, also under N+1", () => {
  const picked = world([{}, {}, { backup: true }], { overprovisioning: 1 });
  assert.equal(picked(["ready", "ejected", "ready"]), "e0");
  assert.equal(picked(["draining", "ejected", "ready"]), "e2");
});

test("the busy are spared while somebody is not, and take calls when nobody else can", () => {
  const picked = world([{}, {}, {}]);
  assert.equal(picked(["busy", "ready", "ready"]), "e1 e2");
  assert.equal(picked(["busy", "busy", "ejected"]), "e0 e1");
  const withBackup = world([{}, { backup: true }]);
  assert.equal(withBackup(["busy", "ready"]), "e0", "busy is not broken: its backup is for when it is");
});

test("the active tiers have somebody able, are enough or all there is, and no more than needed", () => {
  const one = fc.record({
    priority: fc.integer({ min: 0, max: 3 }), backup: fc.boolean(), weight: fc.integer({ min: 1, max: 5 }),
    able: fc.boolean(),
  });
  const factors = fc.constantFrom(1, 1.4, Infinity);
  fc.assert(fc.property(fc.array(one, { minLength: 1, maxLength: 12 }), factors, (fields, factor) => {
    const members = fields.map(({ able, ...each }) => candidate(each, able ? "ready" : "connecting"));
    const able = ({ status }: Candidate): boolean => status === "ready";
    const last = lastActiveTier(members, able, factor);
    const used = members.filter((each) => able(each) && tierOf(each) <= last);
    assert.equal(used.length > 0, members.some(able));
    if (used.length === 0) return;
    assert.ok(used.some((each) => tierOf(each) === last), "the last tier in use has somebody");
    if (used.some(({ address }) => address.backup)) {
      assert.ok(members.every((each) => each.address.backup || !able(each)), "a backup beside somebody else");
    }
    const first = Math.min(...members.map(tierOf));
    const weigh = (those: readonly Candidate[]): number => those.reduce((sum, { address }) => sum + address.weight, 0);
    const known = weigh(members.filter((each) => tierOf(each) === first));
    const before = weigh(used.filter((each) => tierOf(each) < last));
    assert.ok(before === 0 || before * factor < known, "a tier more than is needed");
  }), property);
});
