/** A Lease is one endpoint's right to be listed under a name: an alarm that ends it unless it is renewed. */
import { Alarm } from "../core/alarm.ts";
import type { EndpointAddress } from "../core/endpoint.ts";
import type { Clock } from "../core/runtime.ts";
import type { Entry, RegisteredName } from "./name.ts";

/** An alarm that rings so late shows that this process stood still, and connections may have to be made anew. */
const toleratedLateMs = 1_000;
/** Added for the numbers and flags of an endpoint, in characters. */
const fixedChars = 32;

export interface LeaseOptions {
  readonly id: string;
  /** Who holds it; of one registrant there is one lease for a name and endpoint id. */
  readonly registrant: string;
  readonly name: RegisteredName<Lease>;
  readonly endpoint: EndpointAddress;
  readonly ttlMs: number;
  /** Whether this process itself was too slow within so many milliseconds to judge others. */
  readonly stalledRecently: (windowMs: number) => boolean;
  /** It ran out. */
  readonly expired: (lease: Lease) => void;
}

export class Lease extends Alarm implements Entry {
  override keepsAlive = false;
  readonly id: string;
  readonly registrant: string;
  readonly name: RegisteredName<Lease>;
  /** The lease of another registrant that is listed when this one ends: a restart may overlap its predecessor. */
  below: Lease | undefined = undefined;
  endpoint!: EndpointAddress;
  chars = 0;
  readonly #clock: Clock;
  #ttlMs = 0;
  readonly #stalledRecently: (windowMs: number) => boolean;
  readonly #expired: (lease: Lease) => void;

  constructor(clock: Clock, options: LeaseOptions) {
    super();
    this.#clock = clock;
    this.id = options.id;
    this.registrant = options.registrant;
    this.name = options.name;
    this.#stalledRecently = options.stalledRecently;
    this.#expired = options.expired;
    this.hold(options.endpoint, options.ttlMs);
  }

  /** Takes on what its registrant says of itself now, and is renewed. */
  hold(endpoint: EndpointAddress, ttlMs: number): void {
    this.endpoint = endpoint;
    this.chars = charsOf(endpoint);
    this.#ttlMs = ttlMs;
    this.renew();
  }

  renew(): void {
    this.#clock.set(this, this.#clock.now() + this.#ttlMs);
  }

  ring(): void {
    const nowMs = this.#clock.now();
    const beatMs = this.#ttlMs / 3;
    // Whoever is late himself has no business calling others late: renewals may be waiting unread. After a long
    // stop everybody gets their time once more, after a short one the time of a heartbeat.
    if (nowMs - this.ringsAtMs > toleratedLateMs) this.renew();
    else if (this.#stalledRecently(beatMs)) this.#clock.set(this, nowMs + beatMs);
    else this.#expired(this);
  }

  end(): void {
    this.#clock.clear(this);
  }
}

function charsOf(endpoint: EndpointAddress): number {
  const { id, address, region, zone, attributes } = endpoint;
  let chars = fixedChars + id.length + address.length + region.length + zone.length;
  for (const name in attributes) chars += name.length + (attributes[name] as string).length;
  return chars;
}
