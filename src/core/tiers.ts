/**
 * Tiers say which of a set are called first: those of the lowest `priority`, then the next, and backups last of all.
 *
 * A tier stands in for the ones before it when too little of them is able: with a factor of 1.4 (Envoy's), when less
 * than 71 % of the first tier's weight is; with 1, as soon as one is missing (N+1). Backups wait until nobody else is.
 */
import type { Candidate } from "./endpoint.ts";

/** Envoy's overprovisioning factor: what a tier bears without help from the next. */
export const tierOverprovisioning = 1.4;

/** Where a candidate stands: its priority; backups behind everybody else. */
export function tierOf({ address }: Candidate): number {
  return address.backup ? backupTier + address.priority : address.priority;
}

const backupTier = 1e9;

/** The highest tier that is in use now; Infinity when nobody is able. `able` says who can be called. */
export function lastActiveTier<C extends Candidate>(
  members: readonly C[], able: (member: C) => boolean, overprovisioning: number = tierOverprovisioning,
): number {
  const tiers = new Map<number, { able: number }>();
  let first = Infinity;
  for (const member of members) first = Math.min(first, tierOf(member));
  let known = 0;
  for (const member of members) {
    const tier = tierOf(member);
    const { weight } = member.address;
    if (tier === first) known += weight;
    if (!able(member)) continue;
    const sums = tiers.get(tier);
    if (sums === undefined) tiers.set(tier, { able: weight });
    else sums.able += weight;
  }
  let weight = 0;
  let last = Infinity;
  for (const tier of [...tiers.keys()].sort((a, b) => a - b)) {
    const isEnough = weight > 0 && (tier >= backupTier || weight * overprovisioning >= known - 1e-9);
    if (isEnough) break;
    weight += tiers.get(tier)?.able ?? 0;
    last = tier;
  }
  return last;
}
