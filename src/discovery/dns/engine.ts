/** The engine of DNS: follows a name by looking it up again whenever an answer about it runs out. */
import type { Runtime } from "../../core/runtime.ts";
import type { Engine, EngineView } from "../engine.ts";
import { type LookupSettings, lookUp } from "./lookup.ts";
import type { Query } from "./query.ts";
import type { Resolver } from "./resolver.ts";

export interface DnsEngineSettings extends LookupSettings {
  /** What messages call the servers. */
  readonly name: string;
  readonly queryFor: (name: string) => Query;
}

/** An engine that is only read: there is nothing that it could hold. */
export function dnsEngine(runtime: Runtime, resolver: Resolver, settings: DnsEngineSettings): Engine {
  async function follow(name: string, view: EngineView, signal: AbortSignal): Promise<void> {
    const query = settings.queryFor(name);
    while (!signal.aborted) {
      const { endpoints, skipped, refreshAtMs } = await lookUp(resolver, query, settings);
      for (const [entry, why] of skipped) view.skipped(entry, why);
      view.told(endpoints);
      await waitUntil(runtime, refreshAtMs, signal);
    }
  }

  return {
    name: settings.name,
    follow,
    async close() {
      resolver.close();
    },
  };
}

/** Housekeeping: a process that has nothing else to do may end meanwhile. */
function waitUntil({ clock }: Runtime, atMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = clock.after(Math.max(0, atMs - clock.now()), done).unref();
    if (signal.aborted) done();
    else signal.addEventListener("abort", done, { once: true });
  });
}
