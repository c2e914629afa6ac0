/**
 * Follows one name: reads it as a whole, and again when a registrar says that it changed, when the next entry expires,
 * and now and then besides, since what is published reaches only who is connected.
 */
import { RpcError } from "../../core/error.ts";
import type { EndpointAddress } from "../../core/endpoint.ts";
import type { Runtime } from "../../core/runtime.ts";
import type { EngineView } from "../engine.ts";
import { readEntry } from "../entry.ts";
import type { Link } from "./link.ts";
import { maxValueBytes, type Read, readAnswer, readScript } from "./scripts.ts";

export interface FollowSettings {
  readonly coalesceMs: number;
  readonly rereadMs: number;
  readonly maxEndpoints: number;
}

/** Redis counts its time in milliseconds, and takes out what has expired a moment later. */
const expirySlackMs = 20;
/** What keyspace notifications say that concerns us; renewals say `expire`. */
const telling = new Set(["del", "expired", "evicted", "set", "rename_from", "rename_to"]);

/** Follows the name whose index is at `key` until `signal` aborts, or the link is lost or Redis forgets it. */
export async function followKey(
  { clock }: Runtime, link: Link, key: string, view: EngineView, signal: AbortSignal, settings: FollowSettings,
): Promise<void> {
  const { coalesceMs, rereadMs, maxEndpoints } = settings;
  const ended = AbortSignal.any([signal, link.lost]);
  let isStale = true;
  let wake: () => void = () => undefined;
  const hear = (): void => {
    isStale = true;
    wake();
  };
  ended.addEventListener("abort", hear);
  const stops: (() => void)[] = [];
  try {
    // Before the first read: what changes from here on is heard.
    stops.push(await link.subscribe(key, hear));
    if (link.tellsOfKeys) {
      stops.push(await link.subscribePattern(`__keyspace@*__:${key}:*`, (event) => {
        if (telling.has(event)) hear();
      }));
    }
    let hadEntries = false;
    while (!ended.aborted) {
      isStale = false;
      const read = readAnswer(await link.run(readScript, [key], [String(maxEndpoints)]), key, maxEndpoints);
      if (ended.aborted) break;
      if (hadEntries && !read.isKnown) {
        throw new RpcError("unavailable", `Redis has forgotten ${key}: were its data deleted (FLUSHALL) or evicted?`);
      }
      hadEntries = tell(read, view) > 0;
      const waitMs = Math.min(rereadMs, read.nextExpiryMs === undefined ? Infinity : read.nextExpiryMs + expirySlackMs);
      await new Promise<void>((resolve) => {
        const timer = clock.after(waitMs, resolve).unref();
        wake = () => {
          timer.cancel();
          resolve();
        };
        if (isStale) wake();
      });
      if (!ended.aborted) await new Promise<void>((resolve) => void clock.after(coalesceMs, resolve));
    }
    if (!signal.aborted) throw RpcError.from(link.lost.reason);
  } finally {
    for (const stop of stops) stop();
    ended.removeEventListener("abort", hear);
  }
}

/** Returns how many entries were told. */
function tell({ items }: Read, view: EngineView): number {
  const endpoints: EndpointAddress[] = [];
  for (const { id, kind, value } of items) {
    if (kind === "type") view.skipped(id, `its key holds a ${value}, expected text (a string with an entry as JSON)`);
    else if (kind === "size") view.skipped(id, `its value has ${value} bytes, more than ${maxValueBytes}`);
    else {
      try {
        endpoints.push(readEntry(value));
      } catch (error) {
        view.skipped(id, RpcError.from(error).message);
      }
    }
  }
  view.told(endpoints);
  return endpoints.length;
}
