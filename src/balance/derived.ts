/** Derived is what a picker works out from a set of candidates once and keeps as long as the set lives. */
import type { Candidate } from "../core/index.ts";

/**
 * Remembers what `build` made of each candidate array. The array last asked for costs one comparison; others
 * (a picker under a region picker sees one array per region) a look-up. Entries go when their array does.
 */
export function derived<T>(
  build: (candidates: readonly Candidate[]) => T,
): (candidates: readonly Candidate[]) => T {
  const kept = new WeakMap<readonly Candidate[], { value: T }>();
  let lastCandidates: readonly Candidate[] | undefined;
  let last: T | undefined;
  return (candidates) => {
    if (candidates === lastCandidates) return last as T;
    let entry = kept.get(candidates);
    if (entry === undefined) {
      entry = { value: build(candidates) };
      kept.set(candidates, entry);
    }
    lastCandidates = candidates;
    last = entry.value;
    return entry.value;
  };
}
