/**
 * A client of a configuration: the same object for as long as its program runs, whatever client is behind it.
 *
 * What can change in place (timeouts, repeats of single methods, drained regions) does. For the rest a new client is
 * made over the same connections; calls in flight end on the old one, which goes when they have.
 */
import type { Picker } from "../core/picker.ts";
import { type ClientControl, type ClientOf, createClientOn } from "../client/create-client.ts";
import { retire } from "../client/retire.ts";
import type { AnyContract } from "../contract/service.ts";
import type { Client } from "../contract/types.ts";
import type { Config } from "./config.ts";
import type { Part } from "./part.ts";
import { type Asker, checkAgainst } from "./policies.ts";
import type { GatewayParts } from "./gateway.ts";

type AnyCall = (request: unknown, options?: unknown) => unknown;
type Methods = Readonly<Record<string, AnyCall>>;

/** Makes the client; `part` is for reloads, and `closed` hears when its user closes it. */
export function openClient<S extends AnyContract>(
  config: Config, contract: S, parts: GatewayParts, closed: () => void,
): { readonly client: ClientOf<S>; readonly part: Part } {
  const { tools, speeches, opened, policies } = parts;
  const { runtime } = tools;
  const asker: Asker = { region: config.region };
  const { protocol, codec, tls } = speeches.of(config.client ?? {});
  const { view } = config.client ?? {};
  const make = (by: Config): ClientOf<S> => createClientOn(runtime, contract, {
    ...policies.options(runtime, by, contract.name, asker),
    discovery: opened.discovery, region: config.region, zone: config.zone, view, protocol, codec, tls,
    compressions: tools.compressions, observer: tools.observer, methods: policies.methods(asker),
  });
  checkAgainst(config, contract);
  let fingerprint = policies.fingerprint(config, contract.name, asker);
  let current = make(config);
  /** What its user took out of service stays out, whatever client is behind. */
  const drained = new Set<string>();
  const part: Part = {
    prepare(next) {
      checkAgainst(next, contract);
      const after = policies.fingerprint(next, contract.name, asker);
      if (after === fingerprint) return { commit: () => undefined, abort: () => undefined };
      const made = make(next);
      return {
        commit() {
          const old = current;
          [current, fingerprint] = [made, after];
          for (const id of drained) made.$.drain(id);
          retire(runtime.clock, old.$);
        },
        abort: () => made.$.close(0),
      };
    },
  };
  const close = (graceMs?: number): void => {
    closed();
    current.$.close(graceMs);
  };
  const control: ClientControl<Client<S>, S> = {
    by: (picker: Picker) => {
      let [of, methods] = [current, current.$.by(picker)];
      // Over a client that is gone nobody could be called.
      return standing(contract, () => {
        if (of !== current) [of, methods] = [current, current.$.by(picker)];
        return methods;
      });
    },
    contract, runtime, close,
    endpoints: () => current.$.endpoints(),
    drain(id) {
      const isKnown = current.$.drain(id);
      if (isKnown) drained.add(id);
      return isKnown;
    },
    undrain(id) {
      drained.delete(id);
      return current.$.undrain(id);
    },
    confirm: () => current.$.confirm(),
  };
  const client = Object.assign(standing(contract, () => current), { $: control, [Symbol.dispose]: () => close() });
  return { client: Object.freeze(client) as ClientOf<S>, part };
}

/** Methods that call whatever is behind them at the time. */
function standing<S extends AnyContract>(contract: S, behind: () => unknown): Client<S> {
  const methods = Object.create(null) as Record<string, AnyCall>;
  for (const name of Object.keys(contract.methods)) {
    methods[name] = (request, options) => ((behind() as Methods)[name] as AnyCall)(request, options);
  }
  return methods as Client<S>;
}
