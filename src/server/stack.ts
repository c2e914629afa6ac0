/**
 * The server's stack: what stands between a decoded request and its handler, outermost first.
 *
 * The user's own layers (authentication, authorisation) stand between admission, which sheds what there is no room
 * for as cheaply as it can, and the replay store, which answers only those who may ask.
 */
import type { Observer } from "../core/observer.ts";
import type { Runtime } from "../core/runtime.ts";
import type { LayerMaker, Stack } from "../core/service.ts";
import { admission as defaultAdmission } from "../overload/index.ts";

export interface ServerStackOptions {
  /** Layers of the user's own. */
  readonly stack?: Stack | undefined;
  /**
   * Decides which calls are taken on, when, and in which order. Default: `admission()` of `meridian-rpc/overload`, that
   * needs no numbers; for a server with a `fallback` (a gateway), and with `false`: none but `maxInFlight`.
   */
  readonly admission?: LayerMaker | false | undefined;
  /** Answers a repeat of a keyed call from the record of the first: `replay(...)` of `meridian-rpc/replay`. */
  readonly replay?: LayerMaker | undefined;
}

/** `forwards`: whether what takes its time is other servers. They shed by themselves, where there is no room. */
export function serverStack(
  runtime: Runtime, observer: Observer, options: ServerStackOptions, forwards = false,
): Stack {
  const { admission = forwards ? false : defaultAdmission(), replay, stack } = options;
  return {
    admission: admission === false ? undefined : admission(runtime, observer),
    ...stack,
    replay: replay?.(runtime, observer),
  };
}
