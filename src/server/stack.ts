/**
 * The server's stack: what stands between a decoded request and its handler, outermost first.
 *
 * The user's own layers (authentication, authorisation) stand between admission, which sheds what there is no room
 * for as cheaply as it can, and the replay store, which answers only those who may ask.
 */
import type { Observer } from "../core/observer.ts";
import type { Runtime } from "../core/runtime.ts";
import type { LayerMaker, Stack } from "../core/service.ts";

export interface ServerStackOptions {
  /** Layers of the user's own. */
  readonly stack?: Stack | undefined;
  /**
   * Decides which calls are taken on, when, and in which order: `admission(...)` of `meridian-rpc/overload`, whose
   * defaults need no numbers. Default, and `false`: none but `maxInFlight`.
   */
  readonly admission?: LayerMaker | false | undefined;
  /** Answers a repeat of a keyed call from the record of the first: `replay(...)` of `meridian-rpc/replay`. */
  readonly replay?: LayerMaker | undefined;
}

export function serverStack(runtime: Runtime, observer: Observer, options: ServerStackOptions): Stack {
  const { admission, replay, stack } = options;
  return {
    admission: admission === undefined || admission === false ? undefined : admission(runtime, observer),
    ...stack,
    replay: replay?.(runtime, observer),
  };
}
