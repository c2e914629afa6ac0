/** The Consul driver: discovery and registrar over the HTTP interface of Consul's agent. */
import type { Runtime } from "../../core/runtime.ts";
import { type Engine, type EngineDiscovery, engineDiscovery } from "../engine.ts";
import { consulAgent } from "./agent.ts";
import { Follower } from "./follow.ts";
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
  return {
    name: agent.name,
    follow: (name, view, signal) =>
      new Follower({ runtime, settings, agent, probe, polls }, { name, view }).follow(signal),
    hold: (entry, held, signal) => holdEntry({ runtime, settings, agent }, entry, held, signal),
    async close() {
      probe.close();
      await agent.close();
    },
  };
}
