/**
 * `plausibleDiscovery` does not believe at once that a whole service is gone: what an update takes away in bulk is
 * held back, and asked itself.
 *
 * A registry that was wiped, or lost touch with everybody, tells an empty set in good faith; believing it turns a
 * fault of the registry into an outage of the service. Others answer with a state in which nothing expires (Eureka's
 * self-preservation, Nacos's protect threshold), which keeps the dead with the living. Here those that are missing are
 * probed: who answers stays, who does not is dropped, so that the last server's own shutdown passes within a moment.
 */
import type { Discovery } from "../core/discovery.ts";
import type { EndpointAddress } from "../core/endpoint.ts";
import { RpcError } from "../core/error.ts";
import type { Observer } from "../core/observer.ts";
import type { Probe } from "../core/probe.ts";
import type { Runtime } from "../core/runtime.ts";
import { PlausibleName, type PlausibleSettings } from "./plausible-name.ts";
import { relay } from "./relay.ts";

export interface PlausibleOptions {
  /** Asks one that is missing whether it is there. Default: nobody is asked, and all are held for `confirmMs`. */
  readonly probe?: Probe | undefined;
  /**
   * Which removals are held back. `bulk` (the default): those by which the set becomes empty, or that within `windowMs`
   * take away more than half of it, or two or more and more than half of one region. `all`: each single one too, for
   * engines whose entries only expire, so that a missing entry never means that somebody took it out.
   */
  readonly hold?: "bulk" | "all" | undefined;
  /** Removals within so long are taken together, since a registry may forget by degrees. Default 10,000. */
  readonly windowMs?: number | undefined;
  /** After so long the source is believed, whoever answers. Default 600,000 (ten minutes). */
  readonly confirmMs?: number | undefined;
  /** Time for one probe, in milliseconds. Default 1,000. */
  readonly probeTimeoutMs?: number | undefined;
  /** Failed probes in a row after which one that is missing is dropped, and the pause between them. 3 and 50. */
  readonly tries?: number | undefined;
  readonly retryMs?: number | undefined;
  /**
   * How often one that answered is asked again, in milliseconds, give or take a fifth. Default 5,000. The first times
   * sooner: after 100, 200 and so on.
   */
  readonly probeIntervalMs?: number | undefined;
  /** Most probes at once, for each name. Default 16. */
  readonly maxProbes?: number | undefined;
  /**
   * Hears `discovery.held` (name, how many of how many, the first of them, and why) and `discovery.released` (how many,
   * and why: they are listed again, do not answer, or the removal was confirmed).
   */
  readonly observer?: Observer | undefined;
}

export interface PlausibleDiscovery extends Discovery {
  /** Believes the source now: what is held back of `name`, or of all names, is dropped. For operators. */
  confirm(name?: string): void;
  /** What is held back of a name: endpoints that are told although the source no longer lists them. */
  held(name: string): readonly EndpointAddress[];
}

/** Wraps `discovery`. One that is `deliberate` is left as it is. */
export function plausibleDiscovery(
  runtime: Pick<Runtime, "clock" | "random">, discovery: Discovery, options: PlausibleOptions = {},
): PlausibleDiscovery {
  const settings = settingsOf(options);
  const names = new Map<string, PlausibleName>();
  const relayed = relay((name, tell) => {
    const one = new PlausibleName(runtime, name, settings, tell);
    names.set(name, one);
    const stop = discovery.watch(name, discovery.deliberate === true
      ? { snapshot: (endpoints) => tell({ state: "known", endpoints }), failed: (error) => one.failed(error) }
      : one);
    return () => {
      names.delete(name);
      one.close();
      stop();
    };
  });
  return {
    ...relayed,
    // What is told is plausible: another guard would do the same again.
    deliberate: true,
    confirm(name) {
      if (name === undefined) for (const one of names.values()) one.confirm();
      else names.get(name)?.confirm();
    },
    held: (name) => names.get(name)?.held ?? [],
  };
}

function settingsOf(options: PlausibleOptions): PlausibleSettings {
  const settings = {
    probe: options.probe, hold: options.hold ?? "bulk", windowMs: options.windowMs ?? 10_000,
    confirmMs: options.confirmMs ?? 600_000, probeTimeoutMs: options.probeTimeoutMs ?? 1_000,
    tries: options.tries ?? 3, retryMs: options.retryMs ?? 50, probeIntervalMs: options.probeIntervalMs ?? 5_000,
    maxProbes: options.maxProbes ?? 16, observer: options.observer ?? {},
  };
  for (const [name, value] of Object.entries(settings)) {
    if (typeof value === "number" && !(value >= 0)) {
      throw new RpcError("invalid_argument", `${name} is ${value}, expected a number of 0 or more`);
    }
  }
  if (settings.tries >= 1 && settings.maxProbes >= 1) return settings;
  throw new RpcError("invalid_argument", `tries is ${settings.tries} and maxProbes ${settings.maxProbes}; ` +
    "expected at least 1 of each");
}
