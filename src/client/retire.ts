/** `retire` closes a client that is called no more once its calls have ended; its connections go on with others. */
import type { Clock } from "../core/runtime.ts";

interface Retiring {
  endpoints(): readonly { readonly load: { readonly inFlight: number } }[];
  close(graceMs: number): void;
}

/** How often it is looked at, in milliseconds. */
const lookMs = 1_000;
/** Looks in a row without a call in flight: between two attempts of a call none is. */
const quietLooks = 3;
/** Longest that it is waited for, in milliseconds, and what calls get after that. */
const [patienceMs, graceMs] = [600_000, 60_000];

/** `closed` hears when it is. Streams that outlive all patience go on while their connection is shared. */
export function retire(clock: Clock, retiring: Retiring, closed: () => void = () => undefined): void {
  const untilMs = clock.now() + patienceMs;
  let quiet = 0;
  const look = (): void => {
    quiet = retiring.endpoints().every(({ load }) => load.inFlight === 0) ? quiet + 1 : 0;
    if (quiet < quietLooks && clock.now() < untilMs) {
      clock.after(lookMs, look).unref();
      return;
    }
    retiring.close(graceMs);
    closed();
  };
  clock.after(lookMs, look).unref();
}
