/** Holdings are what one process keeps in an engine: one entry for one id of a name. */
import type { Registration } from "../core/discovery.ts";
import { describeEndpoint, type EndpointAddress } from "../core/endpoint.ts";
import { RpcError } from "../core/error.ts";
import type { Runtime } from "../core/runtime.ts";
import type { Engine } from "./engine.ts";
import { type EngineEntry, Holding, type HoldingSettings } from "./holding.ts";

export class Holdings {
  readonly #runtime: Runtime;
  readonly #engine: Engine;
  readonly #settings: HoldingSettings;
  /** By name and id: who registers again takes over from who was there. */
  readonly #all = new Map<string, Holding>();

  constructor(runtime: Runtime, engine: Engine, settings: HoldingSettings) {
    this.#runtime = runtime;
    this.#engine = engine;
    this.#settings = settings;
  }

  /** Throws `unimplemented` for an engine that is only read. */
  register(name: string, endpoint: EndpointAddress): Registration {
    if (this.#engine.hold === undefined) {
      throw new RpcError("unimplemented", `${this.#engine.name} is only read: ${describeEndpoint(endpoint)} is ` +
        "entered there by whoever runs it", { phase: "resolve" });
    }
    const key = JSON.stringify([name, endpoint.id]);
    const entry: EngineEntry = { name, endpoint, registrant: this.#runtime.random.id() };
    const holding = new Holding(this.#runtime, this.#engine, entry, this.#settings, () => {
      if (this.#all.get(key) === holding) this.#all.delete(key);
    });
    this.#all.get(key)?.supersede();
    this.#all.set(key, holding);
    holding.start();
    return holding;
  }

  /** Withdraws everything. */
  async close(): Promise<void> {
    await Promise.all([...this.#all.values()].map((one) => one.close()));
  }
}
