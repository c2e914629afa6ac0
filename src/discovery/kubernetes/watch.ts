/** `watchSlices` keeps a set of slices up to date from where its list ended, without a gap, until the watch ends. */
import { RpcError } from "../../core/error.ts";
import { describe } from "../services.ts";
import { expired, type KubernetesApi } from "./api.ts";
import type { Place } from "./list.ts";
import { eventError } from "./refusal.ts";
import { type SliceSet, versionOf } from "./slice-set.ts";

/** `closed` by the server in its time: goes on from the version reached. `expired`: list anew. */
export interface WatchEnd {
  readonly why: "closed" | "expired";
  /** Whether any event or bookmark came. */
  readonly heard: boolean;
}

export interface WatchCalls {
  /** Something came, if only a bookmark. */
  heard(): void;
  changed(): void;
}

export async function watchSlices(
  api: KubernetesApi, place: Place, set: SliceSet, timeoutSeconds: number, calls: WatchCalls, signal: AbortSignal,
): Promise<WatchEnd> {
  const { namespace, labelSelector } = place;
  const stream = await api.watch({ verb: "watch", namespace }, {
    labelSelector, watch: true, allowWatchBookmarks: true, resourceVersion: set.version, timeoutSeconds,
  }, signal);
  calls.heard();
  if (stream === expired) return { why: "expired", heard: false };
  let heard = false;
  for await (const line of stream.lines()) {
    calls.heard();
    const event = eventOf(line, api.name);
    if (event.type === "ERROR") {
      const error = eventError(api.name, event.object);
      if (error !== undefined) throw error;
      return { why: "expired", heard };
    }
    heard = true;
    if (apply(event, set)) calls.changed();
  }
  return { why: "closed", heard };
}

interface WatchEvent {
  readonly type: unknown;
  readonly object: unknown;
}

function eventOf(line: string, name: string): WatchEvent {
  let event: unknown;
  try {
    event = JSON.parse(line);
  } catch {
    // Falls through: a broken line is told as what it is not.
  }
  if (typeof event === "object" && event !== null && "type" in event && "object" in event) return event;
  throw new RpcError("internal", `${name} sent no event of a watch, but ${describe(event ?? line)}`,
    { phase: "decode", retryable: true });
}

/** Whether the set changed. Types of a later Kubernetes only move the version. */
function apply({ type, object }: WatchEvent, set: SliceSet): boolean {
  const version = versionOf(object);
  if (version !== "") set.version = version;
  if (type === "ADDED" || type === "MODIFIED") set.put(object);
  else if (type === "DELETED") set.remove(object);
  else return false;
  return true;
}
