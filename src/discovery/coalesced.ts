/** `coalescedDiscovery` tells a storm of changes as few snapshots: the first at once, the last always. */
import type { Discovery } from "../core/discovery.ts";
import type { EndpointAddress } from "../core/endpoint.ts";
import { RpcError } from "../core/error.ts";
import type { Runtime } from "../core/runtime.ts";
import type { Timer } from "../core/alarm.ts";
import { type Follow, relay } from "./relay.ts";

export interface CoalescingOptions {
  /** Changes of one name are told at most so often, in milliseconds. Default 100. */
  readonly coalesceMs?: number | undefined;
}

/**
 * Wraps `discovery`. The first set and the first change after a quiet `coalesceMs` pass at once; of those that follow
 * within that time the last is told at its end. Throws `invalid_argument` for a time that is negative or endless.
 */
export function coalescedDiscovery(
  { clock }: Pick<Runtime, "clock">, discovery: Discovery, options: CoalescingOptions = {},
): Discovery {
  const { coalesceMs = 100 } = options;
  if (!(coalesceMs >= 0 && coalesceMs <= 60_000)) {
    throw new RpcError("invalid_argument", `coalesceMs is ${coalesceMs}, expected milliseconds from 0 to 60000`);
  }
  const follow: Follow = (name, tell) => {
    let isFirst = true;
    let quietAtMs = -Infinity;
    let pending: readonly EndpointAddress[] | undefined;
    let timer: Timer | undefined;
    const flush = (): void => {
      timer?.cancel();
      timer = undefined;
      if (pending === undefined) return;
      const endpoints = pending;
      pending = undefined;
      quietAtMs = clock.now() + coalesceMs;
      tell({ state: "known", endpoints });
    };
    const stop = discovery.watch(name, {
      snapshot(endpoints) {
        if (isFirst) {
          isFirst = false;
          tell({ state: "known", endpoints });
          return;
        }
        pending = endpoints;
        const waitMs = quietAtMs - clock.now();
        if (waitMs <= 0) flush();
        else timer ??= clock.after(waitMs, flush).unref();
      },
      failed(error) {
        // What was true before the failure is told before it.
        flush();
        tell({ state: "failed", error });
      },
    });
    return () => {
      timer?.cancel();
      stop();
    };
  };
  return { ...relay(follow), deliberate: discovery.deliberate };
}
