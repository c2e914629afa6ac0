import assert from "node:assert/strict";
import { test } from "node:test";
import { context, handClock, seededRandom } from "../../test/policies/support.ts";
import { Context, type ContextFields, type Criticality, type MethodInfo, nextMethodOrdinal } from "../core/index.ts";
import {
  criticalityAt, criticalityName, criticalityOf, inherited, levels, levelText, rankOf, readLevel, userLevel, userLevels,
  userName,
} from "./index.ts";

const method = (criticality: Criticality): MethodInfo =>
  ({ ...context().method, criticality, ordinal: nextMethodOrdinal() });
const call = (criticality: Criticality, fields: ContextFields = {}): Context =>
  new Context(method(criticality), 0, Infinity, fields);

test("a call lowers its own criticality, and raises it only where callers are trusted", () => {
  const told = (own: Criticality, said: string) => call(own, { metadata: { [criticalityName]: said } });
  assert.equal(criticalityOf(call("critical")), "critical");
  assert.equal(criticalityOf(told("critical", "sheddable")), "sheddable");
  assert.equal(criticalityOf(told("default", "critical")), "default");
  assert.equal(criticalityOf(told("default", "critical"), true), "critical");
  assert.equal(criticalityOf(told("default", "urgent")), "default", "an unknown word says nothing");
  assert.equal(criticalityOf(told("default", "toString")), "default");
});

test("users are spread evenly, and anew every hour", () => {
  const users = Array.from({ length: 20_000 }, (_, i) => `user-${i}`);
  for (const hour of [0, 1, 481_234]) {
    const below = users.filter((user) => userLevel(user, hour) < userLevels / 4).length;
    assert.ok(Math.abs(below - 5_000) < 250, String(below));
  }
  const moved = users.filter((user) => Math.abs(userLevel(user, 1) - userLevel(user, 2)) > userLevels / 8).length;
  assert.ok(moved > 14_000, String(moved));
  assert.ok(users.every((user) => userLevel(user, 7) >= 0 && userLevel(user, 7) < userLevels));
});

test("a level is first by criticality, then by user; whoever is nobody stands anywhere", () => {
  const clock = handClock();
  const levelOf = levels({ clock, random: seededRandom(3) });
  const of = (criticality: Criticality, user?: string) =>
    levelOf(call(criticality, user === undefined ? {} : { metadata: { [userName]: user } }));
  assert.equal(of("default", "ann"), of("default", "ann"));
  assert.equal(of("sheddable", "ann") - of("critical", "ann"), 2 * userLevels);
  assert.ok(new Set(Array.from({ length: 50 }, () => of("critical"))).size > 30);
  assert.equal(levelOf(call("default", { routeKey: "ann" })), of("default", "ann"), "a route key names somebody too");
  for (const level of [0, userLevels, 3 * userLevels - 1]) {
    assert.equal(rankOf(criticalityAt(level)), Math.floor(level / userLevels));
    assert.equal(readLevel(levelText(level)), level);
  }
  for (const text of ["", "1", "4.0", "1.1024", "1.-3", "1.2.3", undefined]) assert.equal(readLevel(text), undefined);
  const own = levels({ clock, random: seededRandom(3) }, { user: ({ method: { name } }) => name });
  assert.equal(own(call("default")), own(call("default", { routeKey: "x" })));
});

test("what a handler calls inherits whom it is for, and how critical it is said to be", () => {
  assert.equal(inherited(call("default"), method("critical")), undefined, "a default says nothing");
  assert.deepEqual(inherited(call("critical"), method("default")), { [criticalityName]: "critical" });
  assert.deepEqual(inherited(call("sheddable"), method("critical")), { [criticalityName]: "sheddable" });
  assert.equal(inherited(call("critical"), method("critical")), undefined);
  const lowered = call("critical", { metadata: { [criticalityName]: "default", [userName]: "ann" } });
  assert.deepEqual(inherited(lowered, method("critical")), { [criticalityName]: "default", [userName]: "ann" });
  assert.deepEqual(inherited(call("default", { routeKey: "acme" }), method("default")), { [userName]: "acme" });
});
