/**
 * A WatchStream carries the watches of many names: each is created with a number of its own, by which its events are
 * told apart.
 */
import { RpcError } from "../../core/error.ts";
import type { WatchEvent, WatchRequest, WatchResponse } from "./contract.ts";
import type { KeyRange } from "./keys.ts";
import { Outlet } from "./outlet.ts";

export interface WatchListener {
  /** All changes of one reply, in order; `revision` is that of the store after them. */
  changed(events: readonly WatchEvent[], revision: bigint): void;
  /** The server ended this watch alone; `compacted` if what it asked for is no longer kept. */
  canceled(error: RpcError, compacted: boolean): void;
}

interface Watched {
  readonly listener: WatchListener;
  /** Parts of a change that is not complete. */
  parts: WatchEvent[];
}

/** Most events of one change that is told in parts. */
const maxChangeEvents = 1_000_000;

export class WatchStream {
  /** The token that it was opened with. */
  readonly token: string;
  readonly #requests = new Outlet<WatchRequest>();
  readonly #watches = new Map<bigint, Watched>();
  /** Numbers of watches that the server has not confirmed, in the order in which it was asked. */
  readonly #pending: bigint[] = [];
  #lastId = 0n;

  constructor(token: string) {
    this.token = token;
  }

  get size(): number {
    return this.#watches.size;
  }

  /** What the stream sends. */
  get requests(): AsyncIterable<WatchRequest> {
    return this.#requests;
  }

  /** Begins to watch from a revision on. The returned function ends it. */
  watch({ start, end }: KeyRange, startRevision: bigint, listener: WatchListener): () => void {
    const watchId = ++this.#lastId;
    this.#watches.set(watchId, { listener, parts: [] });
    this.#pending.push(watchId);
    this.#requests.push({ request: { case: "create", value: {
      key: start, rangeEnd: end, startRevision, progressNotify: true, watchId, fragment: true,
    } } });
    return () => {
      if (this.#watches.delete(watchId)) this.#requests.push({ request: { case: "cancel", value: { watchId } } });
    };
  }

  /** Takes what came. */
  received(response: WatchResponse): void {
    let { watchId } = response;
    if (response.created) {
      // A refused watch comes back without its number: etcd answers in the order in which it was asked.
      const index = Math.max(0, this.#pending.indexOf(watchId));
      const [confirmed] = this.#pending.splice(index, 1);
      if (response.canceled && confirmed !== undefined) watchId = confirmed;
    }
    const watched = this.#watches.get(watchId);
    if (watched === undefined) return;
    if (response.canceled) {
      this.#watches.delete(watchId);
      watched.listener.canceled(...endOf(response));
      return;
    }
    const { events, header } = response;
    if (watched.parts.length + events.length > maxChangeEvents) {
      this.#watches.delete(watchId);
      watched.listener.canceled(new RpcError("resource_exhausted",
        `etcd told one change in more than ${maxChangeEvents} events`), false);
      return;
    }
    if (response.fragment) {
      for (const one of events) watched.parts.push(one);
      return;
    }
    const all = watched.parts.length === 0 ? events : [...watched.parts, ...events];
    watched.parts = [];
    if (all.length > 0) watched.listener.changed(all, header.revision);
  }

  /** Ends all of them; the stream sends no more. */
  close(): void {
    this.#watches.clear();
    this.#requests.end();
  }
}

function endOf({ cancelReason, compactRevision }: WatchResponse): [RpcError, boolean] {
  const compacted = compactRevision > 0n || /compacted/.test(cancelReason);
  const reason = cancelReason === "" ? "without a reason" : cancelReason.slice(0, 256);
  const code = /permission denied/.test(reason) ? "permission_denied"
    : /auth token|user name is empty/.test(reason) ? "unauthenticated" : "unavailable";
  return [new RpcError(code, `etcd ended the watch: ${reason}`, { remote: true }), compacted];
}
