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
   * An attempt was given to `picked`, or to nobody. What the picker thought may be had of `picker.explain`, here and
   * now. Who hears of picks also hears of the rule that decided, by `context.trace`.
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
  tell(each, "callEnded", callEndedToAll, (member) => (all.callEnded = member));
  tell(each, "attemptEnded", attemptEndedToAll, (member) => (all.attemptEnded = member));
  tell(each, "picked", undefined, (member) => (all.picked = member));
  tell(each, "handled", handledToAll, (member) => (all.handled = member));
  tell(each, "endpointChanged", undefined, (member) => (all.endpointChanged = member));
  tell(each, "event", undefined, (member) => (all.event = member));
  composed.set(all, each);
  return all;
}

type Name = keyof Observer;
type Member<N extends Name> = NonNullable<Observer[N]>;

function tell<N extends Name>(
  each: readonly Observer[], name: N, toFew: ((some: readonly Observer[]) => Member<N> | undefined) | undefined,
  set: (member: Member<N>) => void,
): void {
  const some = each.filter((one) => one[name] !== undefined);
  const [only] = some;
  if (only === undefined) return;
  set(some.length === 1 ? boundOf(only, name) : toFew?.(some) ?? toAll(some.map((one) => boundOf(one, name))));
}

function boundOf<N extends Name>(one: Observer, name: N): Member<N> {
  const member: ((...given: never[]) => void) | undefined = one[name];
  return member?.bind(one) as Member<N>;
}

/** Four parameters are the most a member has; naming them is cheaper than spreading. */
function toAll<M extends (...given: never[]) => void>(members: readonly M[]): M {
  const all = (a: never, b: never, c: never, d: never): void => {
    for (const member of members) member(a, b, c, d);
  };
  return all as unknown as M;
}

// What is heard at each call has a function of its own for the usual two or three who hear it, who are called as the
// methods they are: an engine then knows whom it calls from where, also where a process has several clients or servers,
// and takes them in. By a loop, by one function for all members, or by functions that are bound, each costs several ns.

function callEndedToAll([first, second, ...others]: readonly Observer[]): Member<"callEnded"> | undefined {
  if (first === undefined || second === undefined || others.length > 0) return undefined;
  return (context, latencyMs, error) => {
    first.callEnded?.(context, latencyMs, error);
    second.callEnded?.(context, latencyMs, error);
  };
}

function attemptEndedToAll([first, second, ...others]: readonly Observer[]): Member<"attemptEnded"> | undefined {
  if (first === undefined || second === undefined || others.length > 0) return undefined;
  return (context, endpoint, latencyMs, error) => {
    first.attemptEnded?.(context, endpoint, latencyMs, error);
    second.attemptEnded?.(context, endpoint, latencyMs, error);
  };
}

function handledToAll([first, second, third, ...others]: readonly Observer[]): Member<"handled"> | undefined {
  if (first === undefined || second === undefined || others.length > 0) return undefined;
  if (third === undefined) {
    return (context, latencyMs, error) => {
      first.handled?.(context, latencyMs, error);
      second.handled?.(context, latencyMs, error);
    };
  }
  return (context, latencyMs, error) => {
    first.handled?.(context, latencyMs, error);
    second.handled?.(context, latencyMs, error);
    third.handled?.(context, latencyMs, error);
  };
}
