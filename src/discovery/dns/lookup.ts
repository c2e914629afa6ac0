/**
 * A lookup turns what DNS says of a service into endpoints: SRV records with their hosts' addresses (RFC 2782), or the
 * addresses of one host with a port.
 */
import type { EndpointAddress } from "../../core/endpoint.ts";
import { RpcError } from "../../core/error.ts";
import { checkEndpoint } from "../check.ts";
import { readEntryValue } from "../entry.ts";
import { withPort } from "./addresses.ts";
import type { Found } from "./answer.ts";
import { addressesOf, type Family, mapSome } from "./hosts.ts";
import type { RecordData } from "./message.ts";
import type { Query } from "./query.ts";
import type { Resolver } from "./resolver.ts";
import { joinTexts, noTexts, type Texts, textsOf } from "./texts.ts";
import { serviceWeights } from "./weights.ts";

export interface LookupSettings {
  readonly family: Family;
  /** Whether TXT records are asked for beside. */
  readonly texts: boolean;
  /** Which answers that there is nothing are believed. */
  readonly negative: "authoritative" | "always";
  /** Least time between two lookups, in milliseconds. */
  readonly minMs: number;
}

export interface Lookup {
  readonly endpoints: readonly EndpointAddress[];
  /** What was left out, and why. */
  readonly skipped: readonly (readonly [entry: string, why: string])[];
  /** Clock time at which something of it must be asked again. */
  readonly refreshAtMs: number;
}

type Service = Extract<RecordData, { kind: "SRV" }>;

interface Host {
  readonly addresses: readonly string[];
  readonly texts: Texts;
}

/** Hosts asked for at once. */
const hostsAtOnce = 16;

/** Looks everything up. Rejects where DNS does not say who serves: what was known stays true then. */
export async function lookUp(resolver: Resolver, query: Query, settings: LookupSettings): Promise<Lookup> {
  const gathering = new Gathering(resolver, query, settings);
  await (query.type === "SRV" ? gathering.services() : gathering.host());
  return gathering.result();
}

class Gathering {
  readonly #resolver: Resolver;
  readonly #query: Query;
  readonly #settings: LookupSettings;
  readonly #endpoints: EndpointAddress[] = [];
  readonly #skipped: (readonly [string, string])[] = [];
  #refreshAtMs = Infinity;

  constructor(resolver: Resolver, query: Query, settings: LookupSettings) {
    this.#resolver = resolver;
    this.#query = query;
    this.#settings = settings;
  }

  /** A name with addresses. */
  async host(): Promise<void> {
    const { name, port } = this.#query;
    const found = await addressesOf(this.#resolver, name, this.#settings.family);
    this.#refreshBy(found.refreshAtMs);
    if (found.state === "failed") throw found.error;
    if (found.state === "absent") {
      this.#checkAbsence(found.isCertain, found.why);
      return;
    }
    const texts = await this.#texts(name);
    for (const address of found.addresses) this.#add(withPort(address, port), texts, {}, found.addresses.length);
  }

  /** A name with service records. */
  async services(): Promise<void> {
    const { name } = this.#query;
    const answer = await this.#resolver.ask({ name, type: "SRV" });
    this.#refreshBy(answer.refreshAtMs);
    if (answer.state === "absent") {
      this.#checkAbsence(answer.isCertain, `${name} has no SRV records`);
      return;
    }
    const services = this.#usable(answer);
    if (services.length === 0) return;
    const weights = serviceWeights(services);
    const shared = await this.#texts(name);
    const targets = [...new Set(services.map(({ target }) => target))];
    const hosts = new Map(await mapSome(targets, hostsAtOnce,
      async (target) => [target, await this.#host(target, answer, shared)] as const));
    services.forEach(({ target, port, priority }, i) => {
      const host = hosts.get(target);
      const weight = weights[i] ?? 1;
      for (const ip of host?.addresses ?? []) {
        this.#add(withPort(ip, port), host?.texts ?? noTexts, { weight, priority }, host?.addresses.length ?? 1);
      }
    });
    if (this.#endpoints.length === 0) throw this.#useless();
  }

  /** Records that lead somewhere; none where the one there is says that there decidedly is no such service. */
  #usable(answer: Found): readonly Service[] {
    const services: Service[] = [];
    let isRefused = false;
    for (const data of answer.records) {
      if (data.kind === "malformed") this.#skip(`SRV of ${this.#query.name}`, data.why);
      if (data.kind !== "SRV") continue;
      if (data.target === "") isRefused = true;
      else if (data.port === 0) this.#skip(withPort(data.target, 0), "nobody can be reached at port 0");
      else services.push(data);
    }
    if (services.length === 0 && !isRefused) throw this.#useless();
    // Of several with one address the first counts: the best.
    return services.sort((a, b) => a.priority - b.priority);
  }

  #checkAbsence(isCertain: boolean, what: string): void {
    if (isCertain || this.#settings.negative === "always") return;
    throw new RpcError("unavailable", `${what}, says a server that is not responsible for it (it gives neither an ` +
      'authoritative answer nor an SOA record); if it is to be believed, set negative: "always"', { phase: "resolve" });
  }

  /** Undefined if it is left out. */
  async #host(target: string, answer: Found, shared: Texts): Promise<Host | undefined> {
    const found = await addressesOf(this.#resolver, target, this.#settings.family, answer.hosts);
    this.#refreshBy(found.refreshAtMs);
    if (found.state !== "found") {
      this.#skip(target, found.state === "failed" ? found.error.message : found.why);
      return undefined;
    }
    try {
      return { addresses: found.addresses, texts: joinTexts(shared, await this.#texts(target)) };
    } catch (error) {
      this.#refreshBy(-Infinity);
      this.#skip(target, RpcError.from(error).message);
      return undefined;
    }
  }

  async #texts(name: string): Promise<Texts> {
    if (!this.#settings.texts) return noTexts;
    const { texts, refreshAtMs } = await textsOf(this.#resolver, name);
    this.#refreshBy(refreshAtMs);
    return texts;
  }

  /** A host's weight is that of its addresses together: a second one does not double its share. */
  #add(
    address: string, { fields, attributes }: Texts, said: { weight?: number; priority?: number }, addresses: number,
  ): void {
    const { region, zone } = this.#query;
    try {
      const { id, ...whole } = readEntryValue({ weight: 1, ...said, region, zone, ...fields, address, attributes });
      const endpoint = {
        ...whole, id: addresses === 1 || id === address ? id : `${id} ${address}`, weight: whole.weight / addresses,
      };
      checkEndpoint(endpoint);
      this.#endpoints.push(endpoint);
    } catch (error) {
      this.#skip(address, RpcError.from(error).message);
    }
  }

  #skip(entry: string, why: string): void {
    this.#skipped.push([entry, why]);
  }

  #refreshBy(atMs: number): void {
    this.#refreshAtMs = Math.min(this.#refreshAtMs, atMs);
  }

  #useless(): RpcError {
    const [entry, why] = this.#skipped[0] ?? [this.#query.name, "nothing in it can be used"];
    return new RpcError("unavailable", `none of the SRV records of ${this.#query.name} can be used; the first, ` +
      `${entry}: ${why}`, { phase: "resolve" });
  }

  result(): Lookup {
    const soonestMs = this.#resolver.nowMs + this.#settings.minMs;
    return {
      endpoints: this.#endpoints, skipped: this.#skipped, refreshAtMs: Math.max(soonestMs, this.#refreshAtMs),
    };
  }
}
