/** Antagonists change what a server is capable of while it serves: neighbours on its machine, weather, collections. */
import { numberOption } from "../core/option.ts";
import type { Distribution } from "./distributions.ts";
import type { SimulatedServer } from "./server.ts";
import type { SimulatedWorld } from "./world.ts";

export interface AntagonistOptions {
  /** Workers (or cores) while it is free, and while a neighbour contends for the machine. */
  readonly free: number;
  readonly contended: number;
  /** Share of the time in which it is contended, between 0 and 1. */
  readonly contendedShare: number;
  /** Mean length of a contended time, in milliseconds; lengths of both are exponential. */
  readonly meanMs: number;
}

/**
 * A neighbour comes and goes: the server's capacity alternates between two levels (the antagonists of Prequal's
 * testbed, NSDI 2024, as MECHANISMS has them: 2.5 and 0.65 times the allocation, contended a quarter of the time, 6 s
 * on average). Begins in either state by its share.
 */
export function antagonist(world: SimulatedWorld, server: SimulatedServer, options: AntagonistOptions): void {
  const share = numberOption("contendedShare", options.contendedShare, { least: 0, most: 1 });
  const meanMs = numberOption("meanMs", options.meanMs, { least: 1, unit: "milliseconds" });
  if (share === 0 || share === 1) {
    server.setWorkers(share === 0 ? options.free : options.contended);
    return;
  }
  const random = world.chance(`antagonist ${server.host}`);
  const freeMs = meanMs * (1 - share) / share;
  let isContended = random.next() < share;
  const turn = (): void => {
    server.setWorkers(isContended ? options.contended : options.free);
    const lengthMs = -Math.log(1 - random.next()) * (isContended ? meanMs : freeMs);
    isContended = !isContended;
    world.at(world.nowMs + lengthMs, turn);
  };
  turn();
}

export interface FluctuationOptions {
  /** Speeds, each as likely as another (C3's simulator: 1 and D). */
  readonly speeds: readonly number[];
  /** How often one is drawn, in milliseconds. */
  readonly everyMs: number;
}

/** The server's speed is drawn anew every so often (the set-up of C3, NSDI 2015). */
export function fluctuation(world: SimulatedWorld, server: SimulatedServer, options: FluctuationOptions): void {
  const everyMs = numberOption("everyMs", options.everyMs, { least: 1, unit: "milliseconds" });
  numberOption("speeds.length", options.speeds.length, { least: 1 });
  const random = world.chance(`fluctuation ${server.host}`);
  const turn = (): void => {
    server.setSpeed(options.speeds[Math.floor(random.next() * options.speeds.length)] as number);
    world.at(world.nowMs + everyMs, turn);
  };
  turn();
}

export interface StallOptions {
  /** Mean time between two, in milliseconds; they come as a Poisson process. */
  readonly everyMs: number;
  readonly length: Distribution;
}

/** The server's whole program stands still now and then, as for a collection of garbage. */
export function stalls(world: SimulatedWorld, server: SimulatedServer, options: StallOptions): void {
  const everyMs = numberOption("everyMs", options.everyMs, { least: 1, unit: "milliseconds" });
  const random = world.chance(`stalls ${server.host}`);
  const next = (): void => world.at(world.nowMs - Math.log(1 - random.next()) * everyMs, () => {
    server.stall(options.length.sample(random));
    next();
  });
  next();
}
