// Every scenario in turn: the eight reliability properties over real sockets and processes.
import { scenario as amplification } from "./amplification.ts";
import { scenario as control } from "./control.ts";
import { scenario as detect } from "./detect.ts";
import { scenario as failback } from "./failback.ts";
import { scenario as failover } from "./failover.ts";
import { scenario as gray } from "./gray.ts";
import { scenario as lost } from "./lost.ts";
import { scenario as metastable } from "./metastable.ts";
import { scenario as overload } from "./overload.ts";
import type { Row, Scenario } from "./frame/rows.ts";

/** In the order of the properties. The seventh is `gray` and `detect`; shortened, that has a test of its own. */
const scenarios: readonly (readonly [name: string, scenario: Scenario, whenQuick: boolean])[] = [
  ["lost", lost, true], ["failover", failover, true], ["amplification", amplification, true],
  ["metastable", metastable, true], ["failback", failback, true], ["overload", overload, true],
  ["gray", gray, false], ["detect", detect, false], ["control", control, true],
];

export const scenario: Scenario = {
  about: "every scenario in turn",
  async *run(options): AsyncGenerator<Row> {
    for (const [name, one, whenQuick] of scenarios) {
      if (options.quick && !whenQuick) continue;
      const beganMs = performance.now();
      yield* one.run({ ...options, progress: (text) => options.progress(`${name}: ${text}`) });
      options.progress(`${name}: took ${Math.round((performance.now() - beganMs) / 1_000)} s`);
    }
  },
};
