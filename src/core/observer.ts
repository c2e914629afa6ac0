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
  const all: Record<string, Member> = {};
  for (const name of ["callEnded", "attemptEnded", "handled", "endpointChanged", "event"] as const) {
    const members = observers.flatMap((observer) => {
      const member = observer?.[name] as Member | undefined;
      return member === undefined ? [] : [member.bind(observer)];
    });
    if (members.length === 1) all[name] = members[0] as Member;
    else if (members.length === 2) all[name] = toBoth(members[0] as Member, members[1] as Member);
    else if (members.length > 2) all[name] = toAll(members);
  }
  return all;
}

type Member = (a: unknown, b: unknown, c: unknown, d: unknown) => void;

/** The commonest case: what a client keeps for itself, and its metrics. */
function toBoth(first: Member, second: Member): Member {
  return (a, b, c, d) => {
    first(a, b, c, d);
    second(a, b, c, d);
  };
}

/** Four parameters are the most a member has; naming them is cheaper than spreading. */
function toAll(members: readonly Member[]): Member {
  return (a, b, c, d) => {
    for (const member of members) member(a, b, c, d);
  };
}
