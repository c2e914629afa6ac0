import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Context, RpcError } from "../../core/index.ts";
import { processLoad } from "./index.ts";

const context = undefined as unknown as Context;

function block(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}

test("processor, memory and event loop are shares and milliseconds of this process", async () => {
  const load = processLoad();
  load(0);
  await sleep(120);
  const before = load(0);
  for (let i = 0; i < 8; i++) {
    block(150);
    await sleep(1);
  }
  const busy = load(7);
  assert.equal(busy.inFlight, 7);
  assert.ok(busy.cpu > before.cpu && busy.cpu > 0.5 && busy.cpu <= 1, `cpu ${before.cpu} then ${busy.cpu}`);
  assert.ok(busy.memory > 0 && busy.memory < 1, `memory ${busy.memory}`);
  assert.ok(busy.loopLagMs >= 90, `a timer waited for 150 ms, but the lag is ${busy.loopLagMs}`);
  await sleep(150);
  // A busy machine may be late again; the lag of an earlier report, though, is not told for ever.
  for (load(0); load(0).loopLagMs >= busy.loopLagMs;) await sleep(150);
});

test("figures are looked at ten times a second at most, calls in flight at once", async () => {
  const load = processLoad();
  await sleep(110);
  const startMs = performance.now();
  const { inFlight: first, ...figures } = load(1);
  block(20);
  const { inFlight: second, ...again } = load(2);
  assert.deepEqual([first, second], [1, 2]);
  // A machine so busy that this took a tenth of a second proves nothing.
  if (performance.now() - startMs < 100) assert.deepEqual(again, figures);
});

test("rates are those of the calls the observer heard of, averaged over about a second", async () => {
  const load = processLoad();
  // A busy machine sleeps longer: the average lies between the slowest and the fastest that there was.
  const rates: number[] = [];
  let sampledMs = performance.now();
  let report = load(0);
  for (let i = 0; i < 15; i++) {
    for (let call = 0; call < 10; call++) {
      load.observer.handled?.(context, 1, call < 2 ? new RpcError("internal", "broken") : undefined);
    }
    await sleep(105);
    report = load(0);
    const nowMs = performance.now();
    rates.push(10 / (nowMs - sampledMs) * 1_000);
    sampledMs = nowMs;
  }
  const { callsPerSecond, errorsPerSecond } = report;
  // After a second and a half the average has come 78 % of the way.
  const [least, most] = [Math.min(...rates) * 0.5, Math.max(...rates) * 1.2];
  assert.ok(callsPerSecond > least && callsPerSecond < most, `${callsPerSecond}; ${rates.join()}`);
  assert.ok(Math.abs(errorsPerSecond - callsPerSecond / 5) < 0.01 * callsPerSecond, `${errorsPerSecond} errors`);
});

test("a process that nobody asks any more is not kept alive", async () => {
  const { spawnSync } = await import("node:child_process");
  const index = new URL("index.ts", import.meta.url).href;
  const program = `const { processLoad } = await import("${index}"); const load = processLoad(); load(0);
    await new Promise((resolve) => setTimeout(resolve, 120)); load(0);`;
  const { status } = spawnSync(process.execPath, ["--input-type=module", "-e", program], { timeout: 20_000 });
  assert.equal(status, 0);
});
