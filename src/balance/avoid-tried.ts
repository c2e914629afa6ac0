/** Avoiding what was tried: another attempt of a call goes elsewhere while there is an elsewhere. */
import type { Candidate, Context, Picker } from "../core/index.ts";

/** How often the inner picker is asked again before a candidate is taken by position. */
const asks = 4;

/**
 * Skips the endpoints in `context.avoid` while others exist. A first attempt avoids nothing and pays one
 * comparison. Otherwise the inner picker is asked a few times over; a picker that always gives the same
 * answer is passed over by position, which takes at most one step more than there are endpoints to avoid.
 */
export function avoidTried(inner: Picker): Picker {
  let turn = 0;
  const pick = <C extends Candidate>(candidates: readonly C[], context: Context): C | undefined => {
    const picked = inner(candidates, context);
    const { avoid } = context;
    if (avoid.length === 0 || picked === undefined || !avoid.includes(picked)) return picked;
    for (let ask = 1; ask < asks; ask++) {
      const another = inner(candidates, context);
      if (another !== undefined && !avoid.includes(another)) return another;
    }
    // One that sees everything knows which candidates may be used at all; we do not.
    if (inner.seesAll === true) return picked;
    turn = (turn + 1) % 0x3fffffff;
    const steps = Math.min(candidates.length, avoid.length + 1);
    for (let step = 0; step < steps; step++) {
      const candidate = candidates[(turn + step) % candidates.length];
      if (candidate !== undefined && candidate.address.weight > 0 && !avoid.includes(candidate)) return candidate;
    }
    return picked;
  };
  return Object.assign(pick, { seesAll: inner.seesAll ?? false, explain: inner.explain });
}
