/** When a removal is too large to be believed: the rule that guards of the view and of its cache share. */
import type { EndpointAddress } from "../core/endpoint.ts";

/** One that a source no longer lists, and since when. */
export interface Loss {
  readonly endpoint: EndpointAddress;
  readonly atMs: number;
}

/** One region's losses count by themselves from so many on: a single server may well be taken out of a small region. */
const leastOfRegion = 2;

/**
 * Why an update from `before` that takes `missing` away is not to be believed at once: nobody is left, or with what was
 * `lost` shortly before more than half is gone, or more than half of one region. Undefined if it may well be so.
 * Those that came with the update replace nobody: they may be all that a wiped registry has heard of.
 */
export function implausible(
  before: readonly EndpointAddress[], missing: readonly EndpointAddress[], isEmpty: boolean, lost: readonly Loss[] = [],
): string | undefined {
  if (missing.length === 0) return undefined;
  if (isEmpty) return "nobody is left";
  const gone = [...missing, ...lost.map(({ endpoint }) => endpoint)];
  const of = before.length + lost.length;
  if (gone.length * 2 > of) return `${gone.length} of ${of} are gone`;
  const goneThere = countByRegion(gone);
  const listed = countByRegion(before);
  const lostThere = countByRegion(lost.map(({ endpoint }) => endpoint));
  for (const [region, count] of countByRegion(missing)) {
    const there = goneThere.get(region) ?? count;
    const ofThere = (listed.get(region) ?? 0) + (lostThere.get(region) ?? 0);
    if (there >= leastOfRegion && there * 2 > ofThere) return `${there} of ${ofThere} of region "${region}" are gone`;
  }
  return undefined;
}

function countByRegion(endpoints: readonly EndpointAddress[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { region } of endpoints) counts.set(region, (counts.get(region) ?? 0) + 1);
  return counts;
}
