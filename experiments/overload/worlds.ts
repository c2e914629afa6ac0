// What the overload experiments share: the contract, arithmetic of rows, and figures that several of them tell.
import * as z from "zod";
import { rpc, service } from "../../src/contract/index.ts";
import type { Figures } from "../../src/sim/index.ts";
import { meanOf, type Row } from "../frame/rows.ts";

const none = z.object({});

/** Three methods that do the same work, of three criticalities. */
export const Work = service("overload.v1.Work", {
  critical: rpc({ input: none, output: none, idempotent: true, criticality: "critical" }),
  plain: rpc({ input: none, output: none, idempotent: true }),
  sheddable: rpc({ input: none, output: none, idempotent: true, criticality: "sheddable" }),
});

/** Makes the rows of one experiment: each figure is a mean over seeds, judged by every seed or by its mean. */
export function rowsOf<Outcome>(
  experiment: string, outcomes: readonly Outcome[], place: { case: string; policy: string },
) {
  return (
    unit: string, pick: (outcome: Outcome) => number,
    more: { published?: string; goal?: string; meets?: (value: number) => boolean } = {},
  ): Row => {
    const values = outcomes.map(pick);
    // A figure that is not there in some seed (it never recovered) has no mean.
    const mean = values.every(Number.isFinite) ? meanOf(values) : { value: Number.POSITIVE_INFINITY, ci95: 0 };
    const { published = null, goal = null, meets } = more;
    return {
      experiment, ...place, seeds: outcomes.length, ...mean, unit, published, goal,
      met: meets === undefined ? null : values.every((value) => meets(value)),
    };
  };
}

/** Share of the calls due between two times that succeeded. */
export function successBetween(figures: Figures, fromMs: number, untilMs: number): number {
  let [offered, succeeded] = [0, 0];
  for (const bucket of figures.buckets) {
    if (bucket.fromMs < fromMs || bucket.fromMs >= untilMs) continue;
    offered += bucket.offered;
    succeeded += bucket.succeeded;
  }
  return offered === 0 ? 1 : succeeded / offered;
}

/** Counts what is sent in each second, to hold it against what was offered. */
export interface Meter {
  readonly perSecond: readonly number[];
}

/** Reads a counter once a second from now on. */
export function meter(world: { at(ms: number, run: () => void): void; nowMs: number }, untilMs: number,
  count: () => number): Meter {
  const perSecond: number[] = [];
  let before = 0;
  for (let ms = 1_000; ms <= untilMs; ms += 1_000) {
    world.at(ms, () => {
      const now = count();
      perSecond.push(now - before);
      before = now;
    });
  }
  return { perSecond };
}
