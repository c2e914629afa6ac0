/** Zones divides the calls of the own region: they stay in the own zone as far as its servers suffice. */
import type { Candidate } from "../core/index.ts";
import { zoneAwareShares } from "./priority.ts";
import { Shares } from "./shares.ts";

export interface Zones {
  readonly groups: readonly (readonly Candidate[])[];
  readonly shares: Shares;
}

/**
 * Groups `able` by zone. Undefined when zones do not matter: there is one, or the own zone has nobody, or there
 * are fewer than `minEndpoints`, too few to keep the load even.
 */
export function createZones(
  able: readonly Candidate[], ownZone: string, callersByZone: Readonly<Record<string, number>> | undefined,
  minEndpoints: number,
): Zones | undefined {
  if (ownZone === "" || able.length < minEndpoints) return undefined;
  const byZone = new Map<string, Candidate[]>();
  let total = 0;
  for (const candidate of able) {
    const { zone, weight } = candidate.address;
    const group = byZone.get(zone);
    if (group === undefined) byZone.set(zone, [candidate]);
    else group.push(candidate);
    total += weight;
  }
  const names = [...byZone.keys()];
  const own = names.indexOf(ownZone);
  if (own < 0 || names.length < 2) return undefined;
  const groups = [...byZone.values()];
  const servers = groups.map((group) => group.reduce((sum, each) => sum + each.address.weight, 0) / total);
  const callers = names.map((name) => callersByZone?.[name] ?? (callersByZone === undefined ? 1 / names.length : 0));
  return { groups, shares: new Shares(zoneAwareShares(own, callers, servers)) };
}
