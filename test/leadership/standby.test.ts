// A warm standby in the simulator, over the real driver of etcd: whatever fails, nothing acknowledged is lost or
// doubled.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createStandbyWorld, type MemberName, memberNames, type StandbyWorld, type WorldOptions } from "./world.ts";

const seeds = Number(process.env["MERIDIAN_STANDBY_SEEDS"] ?? 1);

type Fault = (world: StandbyWorld, primary: MemberName, others: readonly MemberName[]) => void;

/** Calls for twenty seconds, 100 a second; the fault strikes the primary at 5 s. */
async function strike(seed: number, fault: Fault, options: WorldOptions = {}): Promise<StandbyWorld> {
  const world = createStandbyWorld(seed, options);
  await world.simulation.runUntil(world.start(), 10_000);
  await world.simulation.runUntil(() => world.primary() !== undefined, 10_000);
  world.load(100, 1_000, 20_000);
  await world.simulation.run(5_000);
  const primary = world.primary();
  assert.ok(primary !== undefined);
  fault(world, primary, memberNames.filter((name) => name !== primary));
  await world.simulation.run(45_000);
  return world;
}

const faults: Readonly<Record<string, { readonly fault: Fault; readonly options?: WorldOptions }>> = {
  "the primary's process dies": {
    fault: ({ simulation }, primary) => simulation.crash(primary),
  },
  "the primary's machine dies without a word": {
    fault: ({ simulation }, primary) => simulation.crash(primary, { isSilent: true }),
  },
  "the primary dies and comes back empty": {
    fault: (world, primary) => {
      world.simulation.crash(primary);
      world.simulation.at(7_000, () => void world.begin(primary));
    },
  },
  "the primary is stopped for ten seconds": {
    fault: ({ simulation }, primary) => {
      simulation.silence(primary);
      simulation.at(15_000, () => simulation.wake(primary));
    },
  },
  "the primary is cut off from the engine": {
    fault: ({ simulation }, primary) => {
      simulation.partition(primary, "etcd");
      simulation.at(14_000, () => simulation.heal());
    },
  },
  "the engine hears the primary, which hears nothing back": {
    fault: ({ simulation }, primary) => {
      simulation.partition("etcd", primary, { isOneWay: true });
      simulation.at(14_000, () => simulation.heal());
    },
  },
  "callers hear nothing of the primary, which hears them, and then it dies": {
    fault: ({ simulation }, primary) => {
      simulation.partition(primary, "caller", { isOneWay: true });
      simulation.at(8_000, () => simulation.crash(primary));
      simulation.at(8_100, () => simulation.heal());
    },
  },
  "a backup is cut off from the primary": {
    fault: ({ simulation }, primary, [first]) => {
      simulation.partition(primary, first as string);
      simulation.at(12_000, () => simulation.heal());
    },
  },
  "a backup is cut off, and then the primary dies": {
    fault: ({ simulation }, primary, [first]) => {
      simulation.partition(primary, first as string);
      simulation.at(9_000, () => simulation.crash(primary));
      simulation.at(13_000, () => simulation.heal());
    },
  },
  "one backup after the other is cut off": {
    fault: ({ simulation }, primary, [first, second]) => {
      simulation.partition(primary, first as string);
      simulation.at(8_000, () => {
        simulation.heal();
        simulation.partition(primary, second as string);
      });
      simulation.at(10_000, () => simulation.crash(primary));
      simulation.at(11_000, () => simulation.heal());
    },
  },
  "the engine dies and comes back with its data": {
    fault: (world) => {
      world.simulation.crash("etcd", { isSilent: true });
      world.simulation.at(13_000, () => world.restartEtcd());
    },
  },
  "the primary's link flaps": {
    fault: ({ simulation }, primary) => {
      for (let i = 0; i < 12; i++) {
        simulation.at(5_000 + i * 1_000, () => simulation.partition(primary, i % 2 === 0 ? "etcd" : memberNames));
        simulation.at(5_700 + i * 1_000, () => simulation.heal());
      }
    },
  },
  "clocks run two percent apart, and the primary is cut off": {
    options: { rates: { a: 1.02, b: 0.98 } },
    fault: ({ simulation }, primary) => {
      simulation.partition(primary, ["etcd", ...memberNames]);
      simulation.at(16_000, () => simulation.heal());
    },
  },
  "clocks run at half and at double speed: leases mean nothing, acknowledgements still hold": {
    options: { rates: { a: 0.5, b: 0.5, c: 0.5 } },
    fault: ({ simulation }, primary) => {
      simulation.partition(primary, "etcd");
      simulation.at(16_000, () => simulation.heal());
    },
  },
};

describe("a warm standby loses and doubles nothing when", () => {
  for (const [what, { fault, options }] of Object.entries(faults)) {
    test(what, async () => {
      for (let seed = 1; seed <= seeds; seed++) {
        const world = await strike(seed, fault, options);
        const ids = await world.check();
        assert.ok(world.acknowledged.size > 1_500, `seed ${seed}: ${world.acknowledged.size} of 1,900 acknowledged, ` +
          `${world.failures.length} failed: ${world.failures[0]?.message}`);
        assert.ok(ids.length >= world.acknowledged.size);
        // Of any two promotions the later has the greater token.
        const tokens = world.events.filter(({ name }) => name === "standby.promoted").map(({ fields }) =>
          fields["token"] as bigint);
        assert.ok(tokens.every((token, i) => i === 0 || token > (tokens[i - 1] as bigint)), tokens.join());
      }
    });
  }
});
