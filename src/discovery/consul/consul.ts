/** The Consul driver: discovery and registrar over the HTTP interface of Consul's agent. */
import type { Runtime } from "../../core/runtime.ts";
import { type Engine, type EngineDiscovery, engineDiscovery } from "../engine.ts";
import { consulAgent } from "./agent.ts";
import { Follower, type Known } from "./follow.ts";
import { holdEntry } from "./hold.ts";
import { Polls } from "./polls.ts";
import { Probe } from "./probe.ts";
import { type ConsulOptions, type ConsulSettings, resolveConsulOptions } from "./settings.ts";

/** The same as `consulDiscovery` on another runtime. Throws `invalid_argument` for options that are out of bounds. */
export function consulDiscoveryOn(runtime: Runtime, options: ConsulOptions = {}): EngineDiscovery {
  return engineDiscovery(runtime, consulEngine(runtime, resolveConsulOptions(options)), options);
}

function consulEngine(runtime: Runtime, settings: ConsulSettings): Engine {
  const agent = consulAgent(runtime, settings);
  const probe = new Probe(runtime.clock, agent, settings.probeMs);
  const polls = new Polls(settings.maxLongPolls);
  // What a name had before the agent was lost: for as long as somebody watches it.
  const known = new Map<string, Known>();
  return {
    name: agent.name,
    async follow(name, view, signal) {
      const before = known.get(name) ?? { last: undefined };
      known.set(name, before);
      const left = (): void => {
        if (known.get(name) === before) known.delete(name);
      };
      signal.addEventListener("abort", left, { once: true });
      try {
        await new Follower({ runtime, settings, agent, probe, polls }, { name, view, known: before }).follow(signal);
      } finally {
        signal.removeEventListener("abort", left);
      }
    },
    hold: (entry, held, signal) => holdEntry({ runtime, settings, agent }, entry, held, signal),
    async close() {
      probe.close();
      await agent.close();
    },
  };
}
