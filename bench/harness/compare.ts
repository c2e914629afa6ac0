// Measures contenders side by side: in every round each case goes once around all of them.
import type { Sample, Trial } from "./measure.ts";
import { measure } from "./measure.ts";
import type { Case, Options } from "./options.ts";
import { machine } from "./process.ts";
import { median, rounded, type Row } from "./rows.ts";

export interface Contender {
  /** As rows call it. */
  readonly name: string;
  /** Its file in bench/systems: who serves, and who calls unless `client` says otherwise. */
  readonly system: string;
  readonly client?: Trial["client"];
  readonly proxy?: Trial["proxy"];
}

/**
 * Interleaving lets a slow minute of the machine fall on all contenders alike, which leaves their ratios be.
 * Progress goes to standard error. A contender that fails is tried again in the next round.
 */
export async function compare(bench: string, contenders: readonly Contender[], options: Options): Promise<Row[]> {
  const found = new Map<string, Sample[]>();
  const errors = new Map<string, string>();
  const key = (one: Case, contender: Contender) => `${one.name} ${contender.name}`;
  for (let round = 1; round <= options.rounds; round++) {
    for (const one of options.cases) {
      for (const contender of contenders) {
        const { system, client, proxy } = contender;
        const { shape, load, tls } = one;
        const label = `${bench} ${one.name} ${contender.name}, round ${round} of ${options.rounds}`;
        try {
          const sample = await measure({ system, client, proxy, shape, load, tls, timing: options.timing });
          found.set(key(one, contender), [...(found.get(key(one, contender)) ?? []), sample]);
          process.stderr.write(`${label}: ${Math.round(sample.perSecond)} per second\n`);
        } catch (error) {
          errors.set(key(one, contender), (error as Error).message);
          process.stderr.write(`${label} failed: ${(error as Error).message}\n`);
        }
      }
    }
  }
  return options.cases.flatMap((one) => contenders.map((contender): Row => {
    const identity = { bench, case: one.name, system: contender.name };
    const samples = found.get(key(one, contender));
    if (samples !== undefined) return rowOf(identity, one, samples);
    return { ...identity, value: null, unit: unitOf(one), error: errors.get(key(one, contender)) ?? "not measured" };
  }));
}

function unitOf({ load }: Case): string {
  return load.kind === "receive" || load.kind === "send" ? "messages/s" : "calls/s";
}

function rowOf(
  identity: { bench: string; case: string; system: string }, one: Case, samples: readonly Sample[],
): Row {
  const rates = samples.map((sample) => sample.perSecond);
  const middle = (part: (sample: Sample) => number | undefined) => rounded(median(samples.map(part)));
  return {
    ...identity,
    value: rounded(median(rates) ?? 0),
    unit: unitOf(one),
    min: rounded(Math.min(...rates)),
    max: rounded(Math.max(...rates)),
    p50Ms: middle((sample) => sample.p50Ms),
    p99Ms: middle((sample) => sample.p99Ms),
    cpuSecondsPerMillion:
      middle(({ clientCpu = 0, serverCpu, proxyCpu = 0 }) => clientCpu + serverCpu + proxyCpu),
    clientCpuSecondsPerMillion: middle((sample) => sample.clientCpu),
    serverCpuSecondsPerMillion: middle((sample) => sample.serverCpu),
    proxyCpuSecondsPerMillion: middle((sample) => sample.proxyCpu),
    sustained: one.load.kind === "open" ? mostSustained(samples) : undefined,
    rounds: samples.length,
    otherCpuShare: middle((sample) => sample.otherCpuShare),
    machine,
  };
}

/** A stall of the machine makes one round fall behind, a system that is too slow makes most. */
function mostSustained(samples: readonly Sample[]): boolean {
  return 2 * samples.filter((sample) => sample.sustained).length > samples.length;
}
