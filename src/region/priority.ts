/**
 * Priority loads say which share of the traffic each level of a preference order takes, given their health.
 *
 * Envoy's mathematics: its pages on priority, overprovisioning, panic_threshold, locality_weight and zone_aware,
 * https://www.envoyproxy.io/docs/envoy/v1.31.0/intro/arch_overview/upstream/load_balancing/load_balancing
 * All shares are 0 to 1.
 */

/** A level at 1/1.4 = 71 % health still carries its whole load: Envoy's overprovisioning factor. */
export const overprovisioningFactor = 1.4;
/** Below this health a level that is needed uses all of its hosts, good or bad: Envoy's panic threshold. */
export const panicThreshold = 0.5;

/** What a level of that health could carry, 0 to 1. */
export function healthScore(health: number, factor: number = overprovisioningFactor): number {
  return Math.min(1, Math.max(0, factor * health));
}

/**
 * Shares of the levels in order: each takes what its score allows of what is left. Scores that sum to less than
 * 1 are scaled up to it; scores that are all 0 give shares that are all 0.
 *
 * `ceilings` hold levels below their score (a region that has just come back, or is busy) as long as the others
 * can carry the rest; what they cannot carry lifts the ceilings again, in order, since a held-back level that
 * works is better than none.
 */
export function priorityLoads(scores: readonly number[], ceilings?: readonly number[]): number[] {
  const total = scores.reduce((sum, score) => sum + score, 0);
  if (total <= 0) return scores.map(() => 0);
  if (total < 1) return scores.map((score) => score / total);
  let left = 1;
  const loads = scores.map((score, level) => {
    const load = Math.min(left, score, ceilings?.[level] ?? 1);
    left -= load;
    return load;
  });
  for (let level = 0; level < scores.length && left > 1e-12; level++) {
    const more = Math.min(left, (scores[level] as number) - (loads[level] as number));
    loads[level] = (loads[level] as number) + more;
    left -= more;
  }
  return loads;
}

/**
 * Whether each level is in panic: together the levels cannot carry everything, and this one is below the
 * threshold, so that sparing its bad hosts would only overload its good ones.
 */
export function panics(
  healths: readonly number[], scores: readonly number[], threshold: number = panicThreshold,
): boolean[] {
  const total = scores.reduce((sum, score) => sum + score, 0);
  return healths.map((health) => total < 1 - 1e-9 && health < threshold);
}

/** Shares of localities side by side: weight times what their health lets them carry. */
export function localityShares(
  weights: readonly number[], healths: readonly number[], factor: number = overprovisioningFactor,
): number[] {
  const effective = weights.map((weight, i) => weight * healthScore(healths[i] ?? 0, factor));
  const total = effective.reduce((sum, each) => sum + each, 0);
  return effective.map((each) => (total === 0 ? 0 : each / total));
}

/**
 * Zone-aware shares: as much as possible stays in `local`. `callers` and `servers` are the shares of callers and
 * of ready servers in each zone. A local zone with too few servers sends the excess where others have some left.
 */
export function zoneAwareShares(local: number, callers: readonly number[], servers: readonly number[]): number[] {
  const callersHere = callers[local] ?? 0;
  const serversHere = servers[local] ?? 0;
  if (serversHere >= callersHere) return servers.map((_, zone) => (zone === local ? 1 : 0));
  const stays = serversHere / callersHere;
  const spare = servers.map((share, zone) => (zone === local ? 0 : Math.max(0, share - (callers[zone] ?? 0))));
  const spareTotal = spare.reduce((sum, each) => sum + each, 0);
  if (spareTotal === 0) return servers.slice();
  return spare.map((each, zone) => (zone === local ? stays : ((1 - stays) * each) / spareTotal));
}
