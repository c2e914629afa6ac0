// Who takes over within a region: spares, backups, and servers that say they are busy.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import {
  candidate, candidates, context, handClock, property, type TestCandidate,
} from "../../test/policies/support.ts";
import { type Candidate, type EndpointFields, lastActiveTier, type Picker, tierOf } from "../core/index.ts";
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
