/**
 * The server's stack: what stands between a decoded request and its handler, outermost first.
 *
 * Authentication and authorisation, and the user's own layers behind them, stand between admission, which sheds what
 * there is no room for as cheaply as it can, and the replay store, which answers only those who may ask. What admission
 * and authorisation can say by what stands beside a message, they say by gates, before it is decoded.
 */
import type { Guard, GuardMaker } from "../core/identity.ts";
import type { Observer } from "../core/observer.ts";
import { badOption } from "../core/option.ts";
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
  /**
   * Finds out who calls, and decides whether they may: `auth(...)` of `meridian-rpc/security`. Also over the standard
   * services, and over what a gateway forwards. Default: everybody who may connect may call everything.
   */
  readonly auth?: GuardMaker | undefined;
  /**
   * Records calls: `openTelemetry(...).server(...)` of `meridian-rpc/telemetry/otel` sets it. Also over what a gateway
   * forwards. Default none.
   */
  readonly tracing?: LayerMaker | undefined;
  /** Answers a repeat of a keyed call from the record of the first: `replay(...)` of `meridian-rpc/replay`. */
  readonly replay?: LayerMaker | undefined;
}

/** `forwards`: whether what takes its time is other servers. They shed by themselves, where there is no room. */
export function serverStack(
  runtime: Runtime, observer: Observer,
  options: Omit<ServerStackOptions, "auth"> & { readonly guard?: Guard | undefined }, forwards = false,
): Stack {
  const { admission = forwards ? false : defaultAdmission(), replay, stack, tracing } = options;
  if (options.guard !== undefined && stack !== undefined && "auth" in stack) {
    throw badOption("stack.auth", "a layer", "it would take the place of `auth`: give the layer another name");
  }
  return {
    admission: admission === false ? undefined : admission(runtime, observer),
    // Below admission: a call that is turned away costs no span. Above all that may fail or take its time.
    trace: tracing?.(runtime, observer),
    auth: options.guard?.layer,
    ...stack,
    replay: replay?.(runtime, observer),
  };
}
