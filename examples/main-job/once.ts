/** One unattended run: steady, a region killed, failed over, restored, failed back; then the account of it. */
import { setTimeout as sleep } from "node:timers/promises";
import type { FailBackOptions } from "../../src/region/index.ts";
import { failbackMs, shareByWindow } from "./figures.ts";
import { machineMs } from "./messages.ts";
import { reportRun, type RunReport } from "./report.ts";
import type { Supervisor } from "./supervisor.ts";

export interface Phases {
  /** How the killed region's traffic returns; undefined for the supervisor's default. */
  readonly failBack?: FailBackOptions;
  /** Connections open, code gets warm. */
  readonly warmMs: number;
  readonly steadyMs: number;
  /** From the kill to the restoring. */
  readonly outageMs: number;
  /** Longest time from the restoring to the end; it ends sooner, `settleMs` after the traffic is back. */
  readonly restoredMs: number;
  readonly settleMs: number;
}

/** About half a minute. */
export const fullPhases: Phases = {
  warmMs: 2_000, steadyMs: 4_000, outageMs: 10_000, restoredMs: 20_000, settleMs: 2_000,
};

/** For tests: everything happens, though in too little time for steady figures. */
export const shortPhases: Phases = {
  warmMs: 1_000, steadyMs: 1_000, outageMs: 2_000, restoredMs: 20_000, settleMs: 1_000,
  failBack: { holdDownMs: 200, rampMs: 2_000, flapWindowMs: 2_000 },
};

/** Runs the phases with `region` as the victim; `supervisor` has started and is not closed here. */
export async function runOnce(supervisor: Supervisor, region: string, phases: Phases): Promise<RunReport> {
  await sleep(phases.warmMs);
  const steadyMs = machineMs();
  await sleep(phases.steadyMs);
  const killedMs = supervisor.killRegion(region);
  await sleep(phases.outageMs);
  const restoring = supervisor.restoreRegion(region);
  const restoredMs = await restoring;
  const readyMs = machineMs();
  await trafficIsBack(supervisor, region, { restoredMs, phases });
  const endedMs = machineMs();
  await supervisor.finish();
  const timeline = { steadyMs, killedMs, restoredMs, readyMs, endedMs };
  return reportRun({ recording: supervisor.recording, region, timeline, verdict: supervisor.check() });
}

/** Resolves when the share has stayed at 99 % for `settleMs`, or at the latest when the phase is over. */
async function trafficIsBack(
  supervisor: Supervisor, region: string, { restoredMs, phases }: { restoredMs: number; phases: Phases },
): Promise<void> {
  const latestMs = restoredMs + phases.restoredMs;
  for (let nowMs = machineMs(); nowMs < latestMs; nowMs = machineMs()) {
    const shares = shareByWindow(supervisor.recording.calls, region, { fromMs: restoredMs, toMs: nowMs });
    const backMs = failbackMs(shares);
    if (backMs !== undefined && shares.length * 1_000 - backMs >= phases.settleMs) return;
    await sleep(250);
  }
}
