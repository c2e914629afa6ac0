// The cases of the detector experiment: one policy under one rate of loss, with the faults of one seed.
import { Faults } from "./faults.ts";
import { type OursTally, runOurs } from "./ours.ts";
import { runPhi } from "./phi.ts";
import { runSwim } from "./swim.ts";
import { Tally } from "./tally.ts";

export const policies = [
  "SWIM", "Lifeguard", "phi-accrual", "ours", "ours, asking every 100 ms", "ours, window 2",
] as const;

export type PolicyName = (typeof policies)[number];

export interface Case {
  readonly policy: PolicyName;
  /** Of packets, 0 to 1. */
  readonly loss: number;
  readonly seed: number;
  readonly hours: number;
  readonly nodes?: number;
}

export interface Outcome extends Case {
  readonly tally: Tally;
  /** Only of a policy whose suspicion is reversible. */
  readonly ours: OursTally | undefined;
  readonly nodeMonths: number;
  readonly nodeSeconds: number;
  readonly crashes: number;
  /** Pauses of 0.3 to 1 s, one for each who watches. */
  readonly pauses: number;
  readonly digest: string;
}

/** Plays it. The same case gives the same outcome, to the last bit of its digest. */
export function runCase(one: Case): Outcome {
  const { policy, loss, seed, hours, nodes = 128 } = one;
  const faults = new Faults({ seed, nodes, lengthMs: hours * 3_600_000 });
  const tally = new Tally(faults);
  let ours: OursTally | undefined;
  switch (policy) {
    case "SWIM":
    case "Lifeguard":
      runSwim(faults, tally, { seed, loss, lifeguard: policy === "Lifeguard" });
      break;
    case "phi-accrual":
      runPhi(faults, tally, { seed, loss });
      break;
    case "ours":
      ours = runOurs(faults, tally, { seed, loss, window: 10 });
      break;
    case "ours, asking every 100 ms":
      ours = runOurs(faults, tally, { seed, loss, window: 10, heart: { doubtHeartbeatMs: 100 } });
      break;
    case "ours, window 2":
      ours = runOurs(faults, tally, { seed, loss, window: 2 });
  }
  const kinds = (kind: string): number => faults.all.filter((fault) => fault.kind === kind).length;
  return {
    ...one, tally, ours, nodeMonths: nodes * hours / 720, nodeSeconds: nodes * hours * 3_600, crashes: kinds("crash"),
    pauses: kinds("brief") * 4, digest: tally.digest.toString(),
  };
}

/** The rate above which so few events would be seen once in twenty times (Poisson; of many, by Wilson and Hilferty). */
export function upperBound(events: number, exposure: number): number {
  if (events > 50) {
    const n = events + 1;
    return n * (1 - 1 / (9 * n) + 1.645 / (3 * Math.sqrt(n))) ** 3 / exposure;
  }
  let [low, high] = [0, 10 + 3 * events];
  for (let i = 0; i < 60; i++) {
    const mean = (low + high) / 2;
    let term = Math.exp(-mean);
    let sum = term;
    for (let k = 1; k <= events; k++) sum += term *= mean / k;
    if (sum > 0.05) low = mean;
    else high = mean;
  }
  return high / exposure;
}
