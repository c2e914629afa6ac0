// When a server is taken for lost, and when it is our own lateness.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Timer } from "../../core/alarm.ts";
import type { Clock } from "../../core/runtime.ts";
import { expected } from "../../core/error.ts";
import { Pulse } from "./pulse.ts";

/** A clock that goes when it is told to, and may be told to be late. */
function handClock() {
  let nowMs = 0;
  const timers = new Set<{ atMs: number; callback: () => void }>();
  const clock = {
    now: () => nowMs,
    after(delayMs: number, callback: () => void): Timer {
      const one = { atMs: nowMs + delayMs, callback };
      timers.add(one);
      const timer: Timer = { cancel: () => void timers.delete(one), unref: () => timer };
      return timer;
    },
  } as unknown as Clock;
  return {
    clock, timers,
    async pass(ms: number): Promise<void> {
      nowMs += ms;
      for (const one of [...timers]) {
        if (one.atMs > nowMs || !timers.delete(one)) continue;
        one.callback();
      }
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

function pulse() {
  const hand = handClock();
  const probes: PromiseWithResolvers<void>[] = [];
  const made = new Pulse(hand.clock, () => {
    const probe = Promise.withResolvers<void>();
    probes.push(probe);
    return probe.promise;
  }, { intervalMs: 1_000, timeoutMs: 1_500 });
  const silent = (): void => probes.at(-1)?.reject(expected("deadline_exceeded", "no answer within 1500 ms"));
  return { ...hand, made, probes, silent };
}

test("it asks while somebody listens and nothing comes, and not otherwise", async () => {
  const { made, pass, probes, timers } = pulse();
  await pass(5_000);
  assert.equal(probes.length, 0);
  const leave = made.join(() => assert.fail("it answers"));
  await pass(1_000);
  assert.equal(probes.length, 1);
  probes[0]?.resolve();
  await pass(0);
  await pass(900);
  made.heard();
  await pass(100);
  assert.equal(probes.length, 1, "something came meanwhile");
  await pass(1_000);
  assert.equal(probes.length, 2);
  probes[1]?.resolve();
  await pass(0);
  leave();
  assert.equal(timers.size, 0);
});

test("all who listen are told once when no answer comes, unless something else did", async () => {
  const { made, pass, silent } = pulse();
  const told: string[] = [];
  made.join((error) => void told.push(error.message));
  made.join((error) => void told.push(error.message));
  await pass(1_000);
  await pass(1_400);
  made.heard();
  await pass(100);
  silent();
  await pass(0);
  assert.deepEqual(told, []);
  await pass(1_000);
  await pass(1_500);
  silent();
  await pass(0);
  assert.deepEqual(told, Array.from({ length: 2 }, () => "the API server no longer answers: no answer within 1500 ms"));
});

test("a timeout that we noticed far too late convicts nobody, three times in a row", async () => {
  const { made, pass, silent, probes } = pulse();
  let lost = 0;
  made.join(() => void lost++);
  for (let i = 1; i <= 4; i++) {
    await pass(1_000);
    assert.equal(probes.length, i);
    await pass(4_000);
    silent();
    await pass(0);
    assert.equal(lost, i === 4 ? 1 : 0);
  }
});
