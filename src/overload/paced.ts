/** Events in a bounded rate: of one name at most one a second, which says how many of its kind it stands for. */
import type { Clock, Observer } from "../core/index.ts";

/** Tells an event, or counts it for the next of its name. */
export type PacedEvents = (name: string, fields: Readonly<Record<string, unknown>>) => void;

/** Makes events of `observer` paced. Names are few: they are the code's, not the callers'. */
export function pacedEvents(clock: Clock, observer: Observer, everyMs = 1_000): PacedEvents {
  if (observer.event === undefined) return () => undefined;
  const last = new Map<string, { toldMs: number; untold: number }>();
  return (name, fields) => {
    const nowMs = clock.now();
    const before = last.get(name);
    if (before !== undefined && nowMs - before.toldMs < everyMs) {
      before.untold++;
      return;
    }
    observer.event?.(name, before === undefined || before.untold === 0 ? fields : { ...fields, untold: before.untold });
    last.set(name, { toldMs: nowMs, untold: 0 });
  };
}
