/** What a simulated server reports of itself: as `processLoad` does of a process, averaged over about a second. */
import type { RpcError } from "../core/error.ts";
import type { LoadReport } from "../core/load.ts";
import type { Clock } from "../core/runtime.ts";
import type { Station } from "./station.ts";

/** Figures that are younger than this are told again; time constant of the averages. As in `processLoad`. */
const freshMs = 100;
const averageMs = 1_000;

export interface SimulatedLoad {
  handled(error: RpcError | undefined): void;
  /** `latencyMs` is what a call would take now. */
  report(inFlight: number, latencyMs: number): LoadReport;
}

export function loadOf(clock: Clock, station: Station): SimulatedLoad {
  let calls = 0;
  let failed = 0;
  let sampledMs = clock.now();
  let busyMs = 0;
  let cpu = 0;
  let callsPerSecond = 0;
  let errorsPerSecond = 0;
  return {
    handled(error) {
      calls++;
      if (error !== undefined) failed++;
    },
    report(inFlight, latencyMs) {
      const elapsedMs = clock.now() - sampledMs;
      if (elapsedMs >= freshMs) {
        sampledMs += elapsedMs;
        const keep = Math.exp(-elapsedMs / averageMs);
        const average = (before: number, value: number): number => value + (before - value) * keep;
        const nowBusyMs = station.figures.busyMs;
        const share = station.workers === 0 ? 1 : (nowBusyMs - busyMs) / elapsedMs / station.workers;
        cpu = average(cpu, Math.min(1, share));
        busyMs = nowBusyMs;
        callsPerSecond = average(callsPerSecond, calls / elapsedMs * 1_000);
        errorsPerSecond = average(errorsPerSecond, failed / elapsedMs * 1_000);
        calls = failed = 0;
      }
      return { cpu, memory: 0, inFlight, callsPerSecond, errorsPerSecond, loopLagMs: 0, latencyMs };
    },
  };
}
