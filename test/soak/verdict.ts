/** What is wrong with the outcome of a soak: nothing, if all is well. */
import type { Held } from "./measure.ts";
import type { SoakOptions, SoakResult } from "./run.ts";

/** Memory that may come and go between two measurements of the same state, in bytes. */
const slackBytes = 1 << 20;

export function faultsOf(result: SoakResult, options: SoakOptions): string[] {
  const faults = [...result.unexpected];
  if (result.calls < options.calls) faults.push(`only ${result.calls} calls were made`);
  if (result.connections < options.connections) faults.push(`only ${result.connections} connections were made`);
  if (result.unsettled !== 0) faults.push(`${result.unsettled} calls did not settle exactly once`);
  if (result.succeeded < result.calls / 4) faults.push(`only ${result.succeeded} of ${result.calls} calls succeeded`);
  faults.push(...growth("client", result.client), ...growth("server", result.server.map((one) => one.held)));
  const last = result.server.at(-1);
  if (last !== undefined && last.inFlight !== 0) faults.push(`the server still handles ${last.inFlight} calls`);
  if (last !== undefined && last.connections !== 0) faults.push(`the server keeps ${last.connections} connections`);
  return faults;
}

export function growth(side: string, quarters: readonly Held[]): string[] {
  const [first, last] = [quarters[0], quarters.at(-1)];
  if (first === undefined || last === undefined) return [`the ${side} was not measured`];
  const faults: string[] = [];
  // Growth counts from the least that was held before: code that V8 drops after a while must not make up for a leak.
  const earlier = quarters.slice(0, -1);
  for (const [what, before, after] of [
    ["heap", Math.min(...earlier.map((one) => one.heapBytes)), last.heapBytes],
    ["memory outside the heap", Math.min(...earlier.map((one) => one.outsideBytes)), last.outsideBytes],
  ] as const) {
    if (after > before * 1.02 + slackBytes) faults.push(`the ${side}'s ${what} grew from ${before} to ${after} bytes`);
  }
  for (const kind of new Set([...Object.keys(first.resources), ...Object.keys(last.resources)])) {
    const [before, after] = [first.resources[kind] ?? 0, last.resources[kind] ?? 0];
    // A restart's sockets and timers may be on their way out at either moment.
    if (after > before + 2) faults.push(`the ${side}'s ${kind} handles grew from ${before} to ${after}`);
  }
  return faults;
}

/** Says them behind everything else, where a log that is cut short still shows them, and fails the program. */
export function reportFaults(faults: readonly string[]): void {
  for (const fault of faults) console.log(`FAULT: ${fault}`);
  if (faults.length > 0) process.exitCode = 1;
}
