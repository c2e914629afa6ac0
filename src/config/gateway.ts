/** A gateway of a configuration: its options, and what a reload changes of it while calls go on. */
import { RpcError } from "../core/error.ts";
import type { FileSource } from "../core/file-source.ts";
import type { AnyContract } from "../contract/service.ts";
import { createCaller } from "../client/create-client.ts";
import { type Admin, createAdminOn } from "../admin/admin.ts";
import { createGatewayOn, type Gateway, type GatewayOptions } from "../gateway/gateway.ts";
import { createRules, type Rule, type Rules } from "../gateway/rules.ts";
import { rulesFromFile } from "../gateway/rules-file.ts";
import type { ListenOptions } from "../server/server.ts";
import type { Config } from "./config.ts";
import type { Part } from "./part.ts";
import { type Asker, checkAgainst, type Policies } from "./policies.ts";
import type { GatewaySection } from "./server-schema.ts";
import { changesOf, defaultGraceMs, known, listeningOptions, type ListeningParts, listenOptions } from "./server.ts";
import { type ConfigTools, lent } from "./tools.ts";

/** A gateway that goes by a configuration. */
export interface ConfiguredGateway extends AsyncDisposable {
  readonly name: string;
  readonly gateway: Gateway;
  readonly rules: Rules;
  /** Sees and changes it, where the file has a section `admin`; serving it to operators is for whoever opened this. */
  readonly admin: Admin | undefined;
  /** Where it listens. */
  readonly address: string;
  /** Drains, then closes. */
  close(): Promise<void>;
}

export interface GatewayParts extends ListeningParts {
  readonly policies: Policies;
}

/** Makes and opens the gateway of that name. */
export async function openGateway(
  config: Config, name: string, parts: GatewayParts, listen: ListenOptions = {},
): Promise<ConfiguredGateway & { readonly part: Part }> {
  const { tools, speeches, opened, policies } = parts;
  const { runtime } = tools;
  const section = known(config.gateways, name, "gateway");
  const region = section.region ?? config.region;
  if (region === undefined) throw new RpcError("invalid_argument", `gateways.${name}: a gateway needs a region`);
  const asker: Asker = { gateway: name, region };
  const contracts = await contractsOf(section.contracts ?? [], tools);
  for (const contract of contracts) checkAgainst(config, contract);
  const rules = createRules(section.rules ?? []);
  const rulesFile = section.rulesFile === undefined ? undefined
    : rulesFromFile(lent(tools.file, "rulesFile")(section.rulesFile) satisfies FileSource, rules, tools.observer);
  await rulesFile?.loaded;
  const { protocol, codec, tls } = speeches.of(section.upstream ?? {});
  const { view, maxMessageBytes } = config.client ?? {};
  const renewals = new Renewals(policies, config, asker);
  const zone = section.zone ?? config.zone;
  const admin = config.admin === undefined ? undefined : createAdminOn(runtime, {
    name, role: "gateway", region, zone, contracts, control: policies.control, rules, places: placesOf(config),
  });
  const options: GatewayOptions = {
    ...listeningOptions(config, section, parts), region, discovery: opened.discovery, rules, contracts,
    control: policies.control, observer: tools.observer, gatewayName: section.gatewayName, timing: section.timing,
    upstreamCodec: codec,
    client: {
      protocol: section.upstream?.protocol === undefined ? undefined : protocol, tls, view,
      compressions: tools.compressions, methods: policies.methods(asker),
      settings: maxMessageBytes === undefined ? undefined : { maxMessageBytes },
    },
    clientFor: (service) => policies.options(runtime, renewals.asked(service), service, asker),
  };
  const gateway = createGatewayOn(runtime, admin?.forGateway(options) ?? options);
  admin?.add(gateway);
  const address = await gateway.listen({ ...listenOptions(section), ...listen });
  let graceMs = section.graceMs ?? defaultGraceMs;
  /** What the file says; operators may have set other rules since, which stay until the file says otherwise. */
  let said: readonly Rule[] = rules.current;
  const part: Part = {
    prepare(next) {
      const after = sectionOf(next, name, section);
      for (const contract of contracts) checkAgainst(next, contract);
      const compiled = createRules(after.rules ?? []).current;
      tryPolicies(tools, policies, next, asker);
      return {
        commit() {
          graceMs = after.graceMs ?? defaultGraceMs;
          if (rulesFile === undefined && !sameRules(said, compiled)) rules.set(said = compiled);
          gateway.change(changesOf(after)).catch((error: unknown) => tools.observer?.event?.("config.failed",
            { part: `gateways.${name}`, error: RpcError.from(error).message }));
          for (const service of renewals.renewed(next)) gateway.renew(service);
        },
        abort: () => undefined,
      };
    },
  };
  const close = async (): Promise<void> => {
    rulesFile?.close();
    await gateway.close(graceMs);
    admin?.close();
  };
  return { name, gateway, admin, rules, address, part, close, [Symbol.asyncDispose]: close };
}

/** Where regions are, for a map. */
export function placesOf({ regions = {} }: Config): Record<string, { latitude: number; longitude: number }> {
  return Object.fromEntries(Object.entries(regions).flatMap(([name, { latitude, longitude }]) =>
    (latitude === undefined || longitude === undefined ? [] : [[name, { latitude, longitude }] as const])));
}

/** The section as the next file has it; one that is gone stays as it is until the process ends. */
function sectionOf({ gateways = {} }: Config, name: string, before: GatewaySection): GatewaySection {
  return (Object.hasOwn(gateways, name) ? gateways[name] : undefined) ?? before;
}

function sameRules(a: readonly Rule[], b: readonly Rule[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Which services were called, and by what: after a change, those that need another client. */
class Renewals {
  readonly #policies: Policies;
  readonly #asker: Asker;
  #config: Config;
  readonly #asked = new Map<string, string>();

  constructor(policies: Policies, config: Config, asker: Asker) {
    this.#policies = policies;
    this.#config = config;
    this.#asker = asker;
  }

  /** A client of this service is made now: by which configuration. */
  asked(service: string): Config {
    this.#asked.set(service, this.#policies.fingerprint(this.#config, service, this.#asker));
    return this.#config;
  }

  renewed(config: Config): string[] {
    this.#config = config;
    return [...this.#asked].filter(([service, before]) =>
      this.#policies.fingerprint(config, service, this.#asker) !== before).map(([service]) => service);
  }
}

/** Most services whose policies are tried before they come into force. */
const maxTried = 100;

/** Makes, and closes, a client of each policy: what its parts refuse is refused before anything has changed. */
export function tryPolicies(tools: ConfigTools, policies: Policies, config: Config, asker: Asker): void {
  const services = Object.entries(config.services ?? {}).filter(([, { client }]) => client !== undefined);
  for (const name of ["", ...services.slice(0, maxTried).map(([service]) => service)]) {
    try {
      createCaller(tools.runtime, {
        ...policies.options(tools.runtime, config, name, asker), name, address: [], region: asker.region,
      }).close(0);
    } catch (error) {
      const { code, message } = RpcError.from(error, "internal");
      const place = name === "" ? "client" : `services["${name}"].client`;
      throw new RpcError(code, `${place}: ${message}`, { cause: error });
    }
  }
}

async function contractsOf(paths: readonly string[], tools: ConfigTools): Promise<AnyContract[]> {
  const found: AnyContract[] = [];
  for (const path of paths) {
    const exported = Object.values(await lent(tools.module, "gateways.NAME.contracts")(path)).filter(isContract);
    if (exported.length === 0) throw new RpcError("invalid_argument", `contracts: ${path} exports no contract`);
    found.push(...exported);
  }
  return found;
}

function isContract(value: unknown): value is AnyContract {
  return typeof value === "object" && value !== null && "name" in value && typeof value.name === "string" &&
    "methods" in value && typeof value.methods === "object" && value.methods !== null;
}
