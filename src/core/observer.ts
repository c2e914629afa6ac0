/**
 * An Observer hears what happens inside: the one seam through which metrics, traces, logs and tests look.
 *
 * Every member is optional and absent members cost one comparison. Attempt figures are kept by the endpoints
 * themselves; these are the events that people ask about.
 */
import type { Context } from "./context.ts";
import type { Candidate, EndpointAddress, EndpointStatus } from "./endpoint.ts";
import type { RpcError } from "./error.ts";
import type { Picker } from "./picker.ts";

export interface Observer {
  /** A call ended, as its user sees it. `latencyMs` spans all attempts. */
  callEnded?(context: Context, latencyMs: number, error: RpcError | undefined): void;
  /** One attempt ended at `endpoint`. */
  attemptEnded?(context: Context, endpoint: EndpointAddress, latencyMs: number, error: RpcError | undefined): void;
  /**
   * An attempt was given to `picked`, or to nobody. What the picker thought may be had of `picker.explain`, here and now.
   * Who hears of picks also hears of the rule that decided, by `context.trace`.
   */
  picked?(
    context: Context, candidates: readonly Candidate[], picked: Candidate | undefined, picker: Picker,
  ): void;
  /** A server finished handling a call. `latencyMs` runs from its arrival. */
  handled?(context: Context, latencyMs: number, error: RpcError | undefined): void;
  /** An endpoint changed its status, and why. */
  endpointChanged?(endpoint: EndpointAddress, status: EndpointStatus, why: string): void;
  /** Anything else worth a line: `name` is stable and dotted, e.g. `retry.budget.empty`, `region.share`. */
  event?(name: string, fields: Readonly<Record<string, unknown>>): void;
}

/** What composed observers are made of: who composes them again tells each directly, not one by the other. */
const composed = new WeakMap<Observer, readonly Observer[]>();

/** Tells several observers; members that nobody has stay absent. */
export function observeAll(...observers: readonly (Observer | undefined)[]): Observer {
  const each = observers.flatMap((one) => one === undefined ? [] : composed.get(one) ?? [one]);
  const [only] = each;
  if (only !== undefined && each.length === 1) return only;
  const all: Observer = {};
  tell(membersOf(each, "callEnded"), callEndedToAll, (member) => (all.callEnded = member));
  tell(membersOf(each, "attemptEnded"), attemptEndedToAll, (member) => (all.attemptEnded = member));
  tell(membersOf(each, "picked"), toAll, (member) => (all.picked = member));
  tell(membersOf(each, "handled"), handledToAll, (member) => (all.handled = member));
  tell(membersOf(each, "endpointChanged"), toAll, (member) => (all.endpointChanged = member));
  tell(membersOf(each, "event"), toAll, (member) => (all.event = member));
  composed.set(all, each);
  return all;
}

type Name = keyof Observer;
type Member<N extends Name> = NonNullable<Observer[N]>;

function membersOf<N extends Name>(observers: readonly Observer[], name: N): Member<N>[] {
  return observers.flatMap((one) => {
    const member: ((...given: never[]) => void) | undefined = one[name];
    return member === undefined ? [] : [member.bind(one)];
  });
}

function tell<M>(members: readonly M[], toEach: (members: readonly M[]) => M, set: (member: M) => void): void {
  const [only] = members;
  if (only !== undefined) set(members.length === 1 ? only : toEach(members));
}

/** Four parameters are the most a member has; naming them is cheaper than spreading. */
function toAll<M extends (...given: never[]) => void>(members: readonly M[]): M {
  const all = (a: never, b: never, c: never, d: never): void => {
    for (const member of members) member(a, b, c, d);
  };
  return all as unknown as M;
}

// What is heard at each call has a function of its own for the usual two or three who hear it: an engine then knows
// whom it calls from where, and takes them in. By a loop, or by one function for all members, a call costs several ns.

function callEndedToAll(members: readonly Member<"callEnded">[]): Member<"callEnded"> {
  const [first, second] = members;
  if (first === undefined || second === undefined || members.length > 2) return toAll(members);
  return (context, latencyMs, error) => {
    first(context, latencyMs, error);
    second(context, latencyMs, error);
  };
}

function attemptEndedToAll(members: readonly Member<"attemptEnded">[]): Member<"attemptEnded"> {
  const [first, second] = members;
  if (first === undefined || second === undefined || members.length > 2) return toAll(members);
  return (context, endpoint, latencyMs, error) => {
    first(context, endpoint, latencyMs, error);
    second(context, endpoint, latencyMs, error);
  };
}

function handledToAll(members: readonly Member<"handled">[]): Member<"handled"> {
  const [first, second, third] = members;
  if (first === undefined || second === undefined || members.length > 3) return toAll(members);
  if (third === undefined) {
    return (context, latencyMs, error) => {
      first(context, latencyMs, error);
      second(context, latencyMs, error);
    };
  }
  return (context, latencyMs, error) => {
    first(context, latencyMs, error);
    second(context, latencyMs, error);
    third(context, latencyMs, error);
  };
}
