/** What calls of one method do in another way than its client's others, as a file says, and while they are made. */
import type { MethodInfo } from "../core/method.ts";
import type { MethodHedge, MethodRetry } from "../resilience/index.ts";

/** What is absent is as for all. Read at each use: whoever changes it changes the calls to come. */
export interface MethodPolicy {
  /** Time of a call that names none, in milliseconds; a gateway lets no call take longer. */
  readonly timeoutMs?: number | undefined;
  /** `false` for single attempts. */
  readonly retry?: Pick<MethodRetry, "maxAttempts" | "codes"> | false | undefined;
  /** `false` for no hedges. Settled when the method is first called. */
  readonly hedge?: MethodHedge | false | undefined;
  /** `false`: what may have run is not repeated, whatever the contract says. A contract is never weakened. */
  readonly idempotent?: boolean | undefined;
}

/** The policy of a method: the same object for as long as a client lives. */
export type MethodPolicies = (method: MethodInfo) => MethodPolicy | undefined;

/** What the retry layer asks, once an attempt has failed. */
export function retryOf(policies: MethodPolicies): (method: MethodInfo) => MethodRetry | undefined {
  return (method) => {
    const policy = policies(method);
    if (policy === undefined) return undefined;
    const repeats = policy.idempotent === false ? false : undefined;
    return policy.retry === false ? { maxAttempts: 1, repeats } : { ...policy.retry, repeats };
  };
}

/** What the hedge layer asks of a method: one that must not be repeated is not hedged either. */
export function hedgeOf(policies: MethodPolicies): (method: MethodInfo) => MethodHedge | false | undefined {
  return (method) => {
    const policy = policies(method);
    return policy?.idempotent === false ? false : policy?.hedge;
  };
}
