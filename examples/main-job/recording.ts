/** The recording: what all processes reported, kept for as long as somebody may ask. */
import type { Acknowledged } from "./checker.ts";
import type { AttemptRecord, CallRecord } from "./figures.ts";
import type { Report, Role } from "./messages.ts";

export interface Recording {
  readonly calls: CallRecord[];
  /** Attempts that client processes made. */
  readonly attempts: AttemptRecord[];
  /** Attempts that gateways made, and when calls came in there. */
  readonly gatewayAttempts: AttemptRecord[];
  readonly gatewayArrivals: AttemptRecord[];
  readonly writes: Acknowledged[];
  /** Counts over everything ever reported, kept or not. */
  readonly totals: { calls: number; failed: number; writes: number };
  add(from: { readonly role: Role; readonly region: string }, report: Report): void;
}

export interface RecordingOptions {
  /** How far back calls and attempts are kept, in milliseconds. Default: all. */
  readonly keepMs?: number;
  /** Most calls, attempts and writes kept, each; the oldest go first. Default one million. */
  readonly maxRecords?: number;
}

export function createRecording({ keepMs = Infinity, maxRecords = 1_000_000 }: RecordingOptions = {}): Recording {
  const recording = {
    calls: [] as CallRecord[], attempts: [] as AttemptRecord[], gatewayAttempts: [] as AttemptRecord[],
    gatewayArrivals: [] as AttemptRecord[], writes: [] as Acknowledged[],
    totals: { calls: 0, failed: 0, writes: 0 },
  };
  const { totals } = recording;
  return {
    ...recording,
    add({ role, region }, { calls, attempts, writes, arrivals }) {
      recording.calls.push(...calls);
      recording.writes.push(...writes);
      (role === "gateway" ? recording.gatewayAttempts : recording.attempts).push(...attempts);
      recording.gatewayArrivals.push(...arrivals.map((startedMs) => ({ region, startedMs })));
      totals.calls += calls.length;
      totals.failed += calls.filter(({ code }) => code !== "ok").length;
      totals.writes += writes.length;
      const oldestMs = (calls[calls.length - 1]?.endedMs ?? -Infinity) - keepMs;
      forget(recording.writes, 0, maxRecords);
      for (const kept of [
        recording.calls, recording.attempts, recording.gatewayAttempts, recording.gatewayArrivals,
      ]) forget(kept, kept.findIndex(({ startedMs }) => startedMs >= oldestMs), maxRecords);
    },
  };
}

/** Drops what lies before `keepFrom`, and what is too much; a tenth at a time, since moving an array costs. */
function forget(records: unknown[], keepFrom: number, maxRecords: number): void {
  const count = Math.max(keepFrom, records.length - maxRecords);
  if (count > records.length / 10) records.splice(0, count);
}
