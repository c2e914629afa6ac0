/**
 * The compliance suite of Runtime: what every clock and every network must do, real or simulated.
 *
 * It knows no test runner: each case is a name and a function that rejects when the Runtime is wrong.
 */
import { clockCases } from "./runtime-clock.ts";
import { flowCases } from "./runtime-flow.ts";
import type { RuntimeHarness } from "./runtime-harness.ts";
import { streamCases } from "./runtime-stream.ts";

export type { RuntimeHarness } from "./runtime-harness.ts";

export interface RuntimeCase {
  readonly name: string;
  /** Resolves if the Runtime behaves; rejects with what it did instead. */
  readonly run: () => Promise<void>;
}

/** How long a case may take, in milliseconds of the Runtime's own clock. */
const caseTimeoutMs = 20_000;

/**
 * All cases. `createHarness` is called once for each, so that no case sees what another left.
 *
 * @example
 * for (const { name, run } of runtimeCases(createHarness)) test(name, run);
 */
export function runtimeCases(createHarness: () => RuntimeHarness): readonly RuntimeCase[] {
  const cases = [...clockCases, ...streamCases, ...flowCases];
  return cases.map(({ name, body }) => ({
    name,
    async run() {
      const harness = createHarness();
      try {
        await harness.drive(() => withTimeout(harness, body(harness)));
      } finally {
        await harness.close?.();
      }
    },
  }));
}

function withTimeout(harness: RuntimeHarness, outcome: Promise<void>): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = harness.client.clock.after(caseTimeoutMs, () => {
    reject(new Error(`not done after ${caseTimeoutMs} ms`));
  });
  outcome.then(resolve, reject);
  return promise.finally(() => timer.cancel());
}
