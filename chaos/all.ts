// Every scenario: the eight reliability properties over real sockets and processes.
import { scenario as amplification } from "./amplification.ts";
import { scenario as control } from "./control.ts";
import { scenario as detect } from "./detect.ts";
import { scenario as failback } from "./failback.ts";
import { scenario as failover } from "./failover.ts";
import { scenario as gray } from "./gray.ts";
import { scenario as lossy } from "./lossy.ts";
import { scenario as lost } from "./lost.ts";
import { scenario as metastable } from "./metastable.ts";
import { scenario as overload } from "./overload.ts";
import type { Row, Scenario } from "./frame/rows.ts";
import { together } from "./frame/together.ts";

const scenarios: Readonly<Record<string, Scenario>> = {
  lost, failover, amplification, metastable, failback, overload, gray, lossy, detect, control,
};

/**
 * What is played in turn, and within it at the same time, each a list that is played in turn. Whatever is about
 * milliseconds, or loads the machine, is alone; the others wait for seconds most of the time, and two of them go on two
 * cores: a third of the time is saved.
 */
const programme: readonly (readonly (readonly string[])[])[] = [
  [["failover"]],
  [["failback"], ["amplification", "gray"]],
  [["metastable"]],
  [["overload"]],
  [["control"], ["lost", "lossy"]],
  [["detect"]],
];

/** Shortened, these are left to tests of their own. */
const notWhenQuick: ReadonlySet<string> = new Set(["gray", "detect", "lossy"]);

export const scenario: Scenario = {
  about: "every scenario",
  async *run(options): AsyncGenerator<Row> {
    async function *inTurn(names: readonly string[]): AsyncGenerator<Row> {
      for (const name of names) {
        if (options.quick && notWhenQuick.has(name)) continue;
        const beganMs = performance.now();
        yield* (scenarios[name] as Scenario).run({
          ...options, progress: (text) => options.progress(`${name}: ${text}`),
        });
        options.progress(`${name}: took ${Math.round((performance.now() - beganMs) / 1_000)} s`);
      }
    }
    for (const act of programme) yield* together(act.map(inTurn));
  },
};
