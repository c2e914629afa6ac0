/** The pickers that look at nothing but weight: by chance and by turn. */
import type { Candidate, Picker, Random } from "../core/index.ts";
import { aliasTable, draw } from "./alias.ts";
import { derived } from "./derived.ts";
import { Schedule } from "./schedule.ts";

/** Any candidate that takes traffic, with equal probability. */
export function random(random: Random): Picker {
  const open = derived(takingTraffic);
  return <C extends Candidate>(candidates: readonly C[]): C | undefined => {
    const those = open(candidates) as readonly C[];
    return those[Math.floor(random.next() * those.length)];
  };
}

/** Any candidate, with probability proportional to its weight. */
export function weightedRandom(random: Random): Picker {
  const tables = derived(aliasTable);
  return (candidates) => candidates[draw(tables(candidates), candidates.length, random)];
}

/** Each candidate that takes traffic in turn, whatever its weight. */
export function roundRobin(): Picker {
  let turns = 0;
  // A turn per set: one for all would beat in time with a region picker that alternates between sets.
  const states = derived((candidates) => ({ open: takingTraffic(candidates), turn: turns % candidates.length || 0 }));
  return <C extends Candidate>(candidates: readonly C[]): C | undefined => {
    const state = states(candidates);
    turns = (turns + 1) % 0x3fffffff;
    if (state.turn >= state.open.length) state.turn = 0;
    return state.open[state.turn++] as C | undefined;
  };
}

/**
 * Weighted turns with exact proportions, evenly interleaved: every cycle (the sum of the weights) gives each its
 * weight, as nginx's smooth weighted round robin does, at O(log n) a pick instead of O(n).
 */
export function smoothWeighted(): Picker {
  let virtualNow = 0;
  const schedules = derived((candidates) =>
    new Schedule(Float64Array.from(candidates, (candidate) => candidate.address.weight), virtualNow));
  return (candidates) => {
    const schedule = schedules(candidates);
    const picked = candidates[schedule.next()];
    // A change of the set makes a new schedule, which goes on here: or the first in the list would get it all.
    virtualNow = schedule.now;
    return picked;
  };
}

/** The candidates whose weight is not 0; all if there is none. The same array if that is everybody. */
export function takingTraffic(candidates: readonly Candidate[]): readonly Candidate[] {
  if (candidates.every((candidate) => candidate.address.weight > 0)) return candidates;
  const open = candidates.filter((candidate) => candidate.address.weight > 0);
  return open.length > 0 ? open : candidates;
}
