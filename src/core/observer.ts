/**
 * An Observer hears what happens inside: the one seam through which metrics, traces, logs and tests look.
 *
 * Every member is optional and absent members cost one comparison. Attempt figures are kept by the endpoints
 * themselves; these are the events that people ask about.
 */
import type { Context } from "./context.ts";
import type { EndpointAddress, EndpointStatus } from "./endpoint.ts";
import type { RpcError } from "./error.ts";

export interface Observer {
  /** A call ended, as its user sees it. `latencyMs` spans all attempts. */
  callEnded?(context: Context, latencyMs: number, error: RpcError | undefined): void;
  /** One attempt ended at `endpoint`. */
  attemptEnded?(context: Context, endpoint: EndpointAddress, latencyMs: number, error: RpcError | undefined): void;
  /** A server finished handling a call. `latencyMs` runs from its arrival. */
  handled?(context: Context, latencyMs: number, error: RpcError | undefined): void;
  /** An endpoint changed its status, and why. */
  endpointChanged?(endpoint: EndpointAddress, status: EndpointStatus, why: string): void;
  /** Anything else worth a line: `name` is stable and dotted, e.g. `retry.budget.empty`, `region.share`. */
  event?(name: string, fields: Readonly<Record<string, unknown>>): void;
}

/** Tells several observers; members that nobody has stay absent. */
export function observeAll(...observers: readonly (Observer | undefined)[]): Observer {
  const all: Observer & Record<string, unknown> = {};
  for (const name of ["callEnded", "attemptEnded", "handled", "endpointChanged", "event"] as const) {
    const members = observers.filter((observer) => observer?.[name] !== undefined) as Observer[];
    if (members.length === 1) {
      const only = members[0] as Observer;
      all[name] = (...args: never[]) => (only[name] as (...a: never[]) => void)(...args);
    } else if (members.length > 1) {
      all[name] = (...args: never[]) => {
        for (const member of members) (member[name] as (...a: never[]) => void)(...args);
      };
    }
  }
  return all;
}
