// Configurations under chance, put into a gateway that runs: each is accepted or refused with line, key and reason;
// all of it changes or nothing does, and calls go on.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Fault } from "../../src/config/index.ts";
import { createSeededRandom } from "../../src/runtime/sim/index.ts";
import { mutated, small } from "./corpus.ts";
import { simulated } from "./simulated.ts";

/**
 * The promise is 10,000; MERIDIAN_FUZZ_RUNS multiplies, as it does elsewhere, what 150 is the default of, but by two at
 * most: a file takes longer than a frame.
 */
const runs = Math.round(10_000 * Math.min(2, Number(process.env["MERIDIAN_FUZZ_RUNS"] ?? 150) / 150));
const seed = 20_261_122;

test(`of ${runs} mutated files each is taken whole or refused with its reason, by a gateway at work`, async () => {
  const world = await simulated(small);
  const live = await world.open("gateway");
  const made = await world.run(live.gateway("main"));
  const client = world.through("gateway:1");
  const random = createSeededRandom(seed);
  const tally = { taken: 0, unchanged: 0, refused: 0, calls: 0 };
  const state = () => JSON.stringify([live.current, made.rules.current, made.rules.version, live.control.version]);

  for (let i = 0; i < runs; i++) {
    const { text, how } = mutated(random);
    const what = `run ${i} of seed ${seed} (${how})`;
    const before = state();
    world.file.set(text);
    world.events.length = 0;
    const result = await live.reload();
    const { reading } = world.last;
    assert.ok(reading !== undefined);
    if (!reading.ok) for (const fault of reading.faults) checkFault(fault, text, what);
    if (result.kind === "refused") {
      tally.refused++;
      assert.equal(state(), before, `${what}: refused, and yet something changed`);
      assert.ok(result.why.length > 0, what);
      assert.equal(world.events.filter(([name]) => name === "config.refused").length, 1, what);
    } else {
      assert.ok(reading.ok, `${what}: taken, though it was refused`);
      tally[result.kind === "changed" ? "taken" : "unchanged"]++;
      assert.deepEqual(live.current, reading.config, what);
      const said = live.current.gateways === undefined ? made.rules.current : live.current.gateways["main"]?.rules;
      if (live.current.gateways?.["main"] !== undefined) {
        assert.equal(JSON.stringify(made.rules.current), JSON.stringify(said ?? []), what);
      }
      const drained = Object.entries(live.current.regions ?? {}).filter(([, { drained }]) => drained === true);
      assert.deepEqual([...live.control.drained()].sort(), drained.map(([name]) => name).sort(), what);
    }
    if (i % 250 === 249) {
      // What was taken may forbid the call, in words of its own; it never breaks it.
      const outcome = await world.run(client.add({ a: i, b: 1 }, { timeoutMs: 30_000 }).then(({ sum }) => sum,
        (error: { code: string; message: string }) => error));
      if (typeof outcome === "number") assert.equal(outcome, i + 1, what);
      else assert.match(outcome.code, /^(?:unavailable|deadline_exceeded|resource_exhausted)$/, outcome.message);
      tally.calls++;
    }
  }
  world.file.set(small);
  await live.reload();
  assert.deepEqual(await world.run(client.add({ a: 40, b: 2 })), { sum: 42 });
  assert.ok(tally.refused > runs / 3 && tally.taken > runs / 50, JSON.stringify(tally));
  client.$.close(0);
  await world.run(live.close());
});

/** A fault says where, and why, and nothing of what was secret. */
function checkFault(fault: Fault, text: string, what: string): void {
  const { line, column, why, source, path } = fault;
  assert.equal(source, "meridian.yaml", what);
  assert.ok(why.length > 0 && why.length < 3_000, what);
  assert.ok(line !== undefined && column !== undefined, `${what}: no line for ${path}: ${why}`);
  assert.ok(line >= 1 && line <= text.split(/\r\n|\r|\n/).length + 1, `${what}: line ${line}: ${why}`);
  assert.ok(!`${why}${path}`.includes("hunter2"), `${what}: ${why}`);
}
