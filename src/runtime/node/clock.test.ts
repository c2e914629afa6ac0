import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { Alarm } from "../../core/alarm.ts";
import { nodeRuntime } from "./index.ts";

const { clock } = nodeRuntime;

/** Runs a program with `clock` and `alarm(keepsAlive)` at hand; resolves with how long it lived and what it said. */
async function run(program: string): Promise<{ output: string; livedMs: number; code: number }> {
  const prelude = `
    import { nodeRuntime } from ${JSON.stringify(new URL("index.ts", import.meta.url).href)};
    import { Alarm } from ${JSON.stringify(new URL("../../core/alarm.ts", import.meta.url).href)};
    const { clock } = nodeRuntime;
    class Say extends Alarm {
      constructor(text, keepsAlive) { super(); this.text = text; this.keepsAlive = keepsAlive; }
      ring() { console.log(this.text); }
    }
    process.on("exit", () => console.log("lived " + Math.round(performance.now() - startMs)));
    const startMs = performance.now();`;
  const args = ["--input-type=module", "--eval", `${prelude}\n${program}`];
  const outcome = await promisify(execFile)(process.execPath, args, { timeout: 30_000 })
    .then(({ stdout }) => ({ stdout, code: 0 }), (error: { stdout: string; code: number }) => error);
  const [output = "", lived = "NaN"] = outcome.stdout.split("lived ");
  return { output, livedMs: Number(lived), code: outcome.code };
}

test("an alarm keeps the process alive until it rings, and no longer", async () => {
  const { output, livedMs } = await run(`clock.set(new Say("rang", true), clock.now() + 300);`);
  assert.equal(output, "rang\n");
  assert.ok(livedMs >= 299 && livedMs < 15_000, `${livedMs} ms`);
});

test("alarms of housekeeping, cleared alarms and alarms at infinity do not keep the process alive", async () => {
  const { output, livedMs } = await run(`
    clock.set(new Say("housekeeping", false), clock.now() + 20_000);
    clock.set(new Say("never", true), Infinity);
    const cleared = new Say("cleared", true);
    clock.set(cleared, clock.now() + 20_000);
    clock.clear(cleared);
    clock.after(20_000, () => {}).unref();
    clock.after(20_000, () => {}).cancel();`);
  assert.equal(output, "");
  assert.ok(livedMs < 15_000, `${livedMs} ms`);
});

test("an alarm set beside housekeeping keeps the process alive, also after the clock was idle", async () => {
  const { output, livedMs } = await run(`
    clock.set(new Say("housekeeping", false), clock.now() + 20_000);
    setTimeout(() => clock.set(new Say("work", true), clock.now() + 300), 100);`);
  assert.equal(output, "work\n");
  assert.ok(livedMs >= 399 && livedMs < 15_000, `${livedMs} ms`);
});

test("an alarm that throws is an uncaught exception, and the others ring", async () => {
  const { output, code } = await run(`
    process.on("uncaughtException", (error) => console.log("uncaught " + error.message));
    const atMs = clock.now() + 20;
    clock.set(new Say("first", true), atMs);
    clock.set(new (class extends Alarm { ring() { throw new Error("mistake"); } })(), atMs);
    // The later one is set when this rings, so that no slow start can make both due at once.
    clock.set(new (class extends Say { ring() { super.ring(); clock.set(new Say("later", true), clock.now() + 50); } })(
      "second", true), atMs);`);
  assert.equal(output, "first\nsecond\nuncaught mistake\nlater\n");
  assert.equal(code, 0);
});

test("an alarm rings in time though a far one was there first, and again after the wheel stood still", async () => {
  class Ring extends Alarm {
    readonly rang = Promise.withResolvers<number>();
    override ring(): void {
      this.rang.resolve(clock.now());
    }
  }
  const far = new Ring();
  clock.set(far, clock.now() + 3_600_000);
  for (const delayMs of [50, 1, 400]) {
    const near = new Ring();
    const atMs = clock.now() + delayMs;
    clock.set(near, atMs);
    const lateMs = await near.rang.promise - atMs;
    assert.ok(lateMs >= 0 && lateMs < 5_000, `${delayMs}: ${lateMs}`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  clock.clear(far);
});

test("deferred from a turn of its own, a callback runs within that turn's end", async () => {
  const order: string[] = [];
  const done = Promise.withResolvers<void>();
  setImmediate(() => {
    clock.defer(() => order.push("deferred"));
    order.push("turn");
    setImmediate(() => {
      order.push("next turn");
      done.resolve();
    });
  });
  await done.promise;
  assert.deepEqual(order, ["turn", "deferred", "next turn"]);
});
