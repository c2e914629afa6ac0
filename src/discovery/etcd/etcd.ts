/** The etcd driver: discovery and registrar over etcd's own gRPC API (version 3), spoken by our own client. */
import type { Runtime } from "../../core/runtime.ts";
import { grpc } from "../../protocol/grpc/index.ts";
import { type Engine, type EngineDiscovery, engineDiscovery } from "../engine.ts";
import { followName } from "./follow.ts";
import { Holder } from "./hold.ts";
import { rangeOf } from "./keys.ts";
import { Link } from "./link.ts";
import { NameSet } from "./name-set.ts";
import { type EtcdOptions, type EtcdSettings, resolveEtcdOptions } from "./settings.ts";
import { Tokens } from "./tokens.ts";

/** Most bytes of one reply: etcd's own limit of a request is 1.5 MiB, and pages that do not fit are read in parts. */
const maxMessageBytes = 16 * 1_048_576;

/** The same as `etcdDiscovery` on another runtime. Throws `invalid_argument` for options that are out of bounds. */
export function etcdDiscoveryOn(runtime: Runtime, options: EtcdOptions = {}): EngineDiscovery {
  return engineDiscovery(runtime, etcdEngine(runtime, resolveEtcdOptions(options)), options);
}

function etcdEngine(runtime: Runtime, settings: EtcdSettings): Engine {
  const { prefix, maxEndpoints, pageEntries, addresses } = settings;
  const { clock } = runtime;
  // A protocol of its own: connections are shared by all names, and with nobody else.
  const protocol = grpc({ settings: { maxMessageBytes } });
  const link = new Link({ runtime, settings, protocol, tokens: new Tokens(settings) });
  const holder = new Holder({ runtime, settings, link });
  return {
    name: `etcd at ${addresses.join(", ")}`,
    async follow(name, view, signal) {
      const range = rangeOf(prefix, name);
      const set = new NameSet(clock, view, { range, maxEndpoints });
      try {
        await followName({ range, set, link, clock, pageEntries, maxEndpoints }, signal);
      } finally {
        set.close();
      }
    },
    hold: (entry, held, signal) => holder.hold(entry, held, signal),
    close() {
      link.close();
      return Promise.resolve();
    },
  };
}
