/**
 * Tiers say which of a set are called first: those of the lowest `priority`, then the next, and backups last of all.
 *
 * A tier stands in for the ones before it when too little of them is able: with a factor of 1.4 (Envoy's), when less
 * than 71 % of the first tier's weight is; with 1, as soon as one is missing (N+1). It takes what they are short of and
 * no more, so that no small change of health moves much load. Backups wait until nobody else is.
 */
import type { Candidate } from "./endpoint.ts";

/** Envoy's overprovisioning factor: what a tier bears without help from the next. */
export const tierOverprovisioning = 1.4;

/** Where a candidate stands: its priority; backups behind everybody else. */
export function tierOf({ address }: Candidate): number {
  return address.backup ? backupTier + address.priority : address.priority;
}

const backupTier = 1e9;

/** A tier in use, and the share of calls that is its own. */
export interface TierShare {
  readonly tier: number;
  readonly share: number;
}

/** The highest tier that is in use now; Infinity when nobody is able. `able` says who can be called. */
export function lastActiveTier<C extends Candidate>(
  members: readonly C[], able: (member: C) => boolean, overprovisioning: number = tierOverprovisioning,
): number {
  return tierShares(members, able, overprovisioning).at(-1)?.tier ?? Infinity;
}

/**
 * The tiers in use now, first to last, and how calls are divided among them. Each bears its able weight times the
 * factor, of the first tier's whole weight; where all together are short of that, they share by able weight.
 */
export function tierShares<C extends Candidate>(
  members: readonly C[], able: (member: C) => boolean, overprovisioning: number = tierOverprovisioning,
): TierShare[] {
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
  const active: { readonly tier: number; readonly able: number }[] = [];
  let weight = 0;
  for (const tier of [...tiers.keys()].sort((a, b) => a - b)) {
    const isEnough = weight > 0 && (tier >= backupTier || weight * overprovisioning >= known - 1e-9);
    if (isEnough) break;
    const its = tiers.get(tier)?.able ?? 0;
    active.push({ tier, able: its });
    weight += its;
  }
  // Of weights of 0 nobody bears anything: then all alike.
  if (weight === 0) return active.map(({ tier }) => ({ tier, share: 1 / active.length }));
  if (active.length === 1 || weight * overprovisioning < known) {
    return active.map(({ tier, able: its }) => ({ tier, share: its / weight }));
  }
  let left = 1;
  return active.map(({ tier, able: its }) => {
    const share = Math.min(left, its * overprovisioning / known);
    left -= share;
    return { tier, share };
  });
}
