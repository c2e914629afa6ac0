/** `checkEffects` holds what callers were told against what servers did: nothing acknowledged is lost or doubled. */
import { type CallRecord, complaints, type EffectRecord, type Verdict } from "./checkers.ts";

/**
 * Looks at the calls that have a key. At most one effect for each key, ever; exactly one for an acknowledged call,
 * made before the acknowledgement and answered with what it gave; none for a refused one. An unknown outcome may have
 * had its effect or not. An effect that nobody asked for is a violation too.
 */
export function checkEffects(calls: readonly CallRecord[], effects: readonly EffectRecord[]): Verdict {
  const found = complaints("effects");
  const byKey = new Map<string, EffectRecord[]>();
  for (const effect of effects) {
    const its = byKey.get(effect.key);
    if (its === undefined) byKey.set(effect.key, [effect]);
    else its.push(effect);
  }
  const figures = { acknowledged: 0, refused: 0, unknown: 0, unknownButDone: 0, lost: 0, doubled: 0 };
  const asked = new Set<string>();
  for (const call of calls) {
    if (call.key === undefined) continue;
    const its = byKey.get(call.key) ?? [];
    figures[call.outcome]++;
    // Two calls under one key are one request, repeated by its caller.
    const isFirst = !asked.has(call.key);
    asked.add(call.key);
    if (its.length > 1 && isFirst) {
      figures.doubled++;
      found.add(() => `${name(call)} was done ${its.length} times: ${its.map(where).join(", ")}`);
    }
    const [effect] = its;
    if (call.outcome === "unknown" && effect !== undefined) figures.unknownButDone++;
    if (call.outcome === "refused" && effect !== undefined && isAlone(calls, call)) {
      found.add(() => `${name(call)} was refused as certainly not done, but was done ${where(effect)}`);
    }
    if (call.outcome === "acknowledged") acknowledged(call, effect);
  }
  for (const [key, [effect]] of byKey) {
    if (!asked.has(key) && effect !== undefined) found.add(() => `nobody asked for ${key}, done ${where(effect)}`);
  }
  return found.verdict(figures);

  function acknowledged(call: CallRecord, effect: EffectRecord | undefined): void {
    if (effect === undefined) {
      figures.lost++;
      found.add(() => `${name(call)} was acknowledged at ${at(call.endedMs)} and never done`);
    } else if (effect.atMs > call.endedMs) {
      found.add(() => `${name(call)} was acknowledged at ${at(call.endedMs)}, before it was done ${where(effect)}`);
    } else if (call.answer !== undefined && effect.answer !== undefined && call.answer !== effect.answer) {
      found.add(() => `${name(call)} was answered ${call.answer}, but what was done gave ${effect.answer}`);
    }
  }
}

/** Whether no other call bears the key, which may have had the effect. Asked for the few that look wrong. */
function isAlone(calls: readonly CallRecord[], call: CallRecord): boolean {
  return !calls.some((other) => other !== call && other.key === call.key && other.outcome !== "refused");
}

function name({ method, key, caller }: CallRecord): string {
  return `${method} ${key} of ${caller}`;
}

function where({ at: server, atMs }: EffectRecord): string {
  return `at ${at(atMs)}${server === undefined ? "" : ` by ${server}`}`;
}

function at(ms: number): string {
  return `${ms.toFixed(1)} ms`;
}
