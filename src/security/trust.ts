/**
 * Trust says whose word counts about others: which gateways may say who called them, and where identities are. What
 * anybody else says of itself in `meridian-*` metadata is taken away.
 */
import {
  anonymous, callerMetadata, type Context, createMetadata, type Identity, type Metadata, readForwardedIdentity,
} from "../core/index.ts";
import { type Authenticator, isIdentity, NotAccepted } from "./authenticator.ts";
import { type Caller, compileCaller } from "./rules.ts";

export interface TrustOptions {
  /**
   * Gateways that may say on whose behalf they call, how often a call was tried and passed on before, and by which
   * rule: identities of connections (mutual TLS). `regions`: of callers of which regions alone. Default none.
   */
  readonly gateways?: readonly TrustedGateway[] | undefined;
  /** Where identities are that do not prove it otherwise; the first that fits counts. */
  readonly regions?: readonly PlacedCaller[] | undefined;
}

export interface TrustedGateway {
  readonly who: Caller | readonly Caller[];
  readonly regions?: readonly string[] | undefined;
}

export interface PlacedCaller {
  readonly who: Caller | readonly Caller[];
  readonly region: string;
}

type Fits = (identity: Identity) => boolean;
type Authenticators = readonly Authenticator[];

/** What is said by gateways alone, beside the caller and the counts: a forged one would choose servers. */
const gatewayNames = [callerMetadata, "meridian-rule"] as const;

interface Gateway {
  readonly identity: Identity;
  readonly regions: readonly string[] | undefined;
  /** What it said last, and who that is: one user mostly calls several times. */
  lastText: string;
  last: Identity | NotAccepted;
}

export class Trust {
  readonly #gateways: readonly { readonly fits: Fits; readonly regions: readonly string[] | undefined }[];
  readonly #regions: readonly { readonly fits: Fits; readonly region: string }[];
  readonly #authenticators: Authenticators;
  readonly #known = new WeakMap<object, Gateway | "nobody">();
  readonly #placed = new WeakMap<Identity, Identity>();

  constructor({ gateways = [], regions = [] }: TrustOptions, connections: Authenticators) {
    this.#gateways = gateways.map(({ who, regions: of }) => ({ fits: fitsOf(who), regions: of }));
    this.#regions = regions.map(({ who, region }) => ({ fits: fitsOf(who), region }));
    this.#authenticators = connections;
  }

  /** The trusted gateway that a call came from, if any. */
  #gatewayOf(context: Context): Gateway | undefined {
    const { peer } = context;
    if (this.#gateways.length === 0 || peer === undefined) return undefined;
    let known = this.#known.get(peer);
    if (known === undefined) this.#known.set(peer, known = this.#look(context));
    return known === "nobody" ? undefined : known;
  }

  #look(context: Context): Gateway | "nobody" {
    for (const one of this.#authenticators) {
      const identity = one.identify(context);
      if (identity === undefined || identity instanceof Promise || !isIdentity(identity)) continue;
      const found = this.#gateways.find(({ fits }) => fits(identity));
      if (found !== undefined) return { identity, regions: found.regions, lastText: "", last: anonymous };
    }
    return "nobody";
  }

  /** On whose behalf a trusted gateway calls; undefined where none does, or it says nothing. */
  forwarded(context: Context): Identity | NotAccepted | undefined {
    if (this.#gateways.length === 0) return undefined;
    const text = context.metadata[callerMetadata];
    if (text === undefined) return undefined;
    const gateway = this.#gatewayOf(context);
    if (gateway === undefined) return undefined;
    if (gateway.lastText === text) return gateway.last;
    gateway.last = read(text, gateway);
    gateway.lastText = text;
    return gateway.last;
  }

  /** The identity with its region, where it is known by this policy. */
  placed(identity: Identity): Identity {
    if (this.#regions.length === 0 || identity.region !== undefined || identity === anonymous) return identity;
    let placed = this.#placed.get(identity);
    if (placed === undefined) {
      const found = this.#regions.find(({ fits }) => fits(identity));
      placed = found === undefined ? identity : { ...identity, region: found.region };
      this.#placed.set(identity, placed);
    }
    return placed;
  }

  /** The call without what its caller has no right to say. Mostly there is nothing to take away. */
  believed(context: Context): Context {
    const { metadata, hops, priorAttempts } = context;
    const said = metadata[gatewayNames[0]] !== undefined || metadata[gatewayNames[1]] !== undefined;
    if (!said && hops === 0 && priorAttempts === 0) return context;
    const isTrusted = this.#gatewayOf(context) !== undefined;
    if (isTrusted) {
      if (metadata[callerMetadata] === undefined) return context;
      return context.with({ metadata: without(metadata, callerMetadata) });
    }
    return context.with({ hops: 0, priorAttempts: 0, metadata: said ? without(metadata, ...gatewayNames) : metadata });
  }
}

function read(text: string, { identity: { name }, regions }: Gateway): Identity | NotAccepted {
  const identity = readForwardedIdentity(text, name);
  if (identity === undefined) return new NotAccepted(`what the gateway ${name} says of the caller cannot be read`);
  if (regions !== undefined && (identity.region === undefined || !regions.includes(identity.region))) {
    return new NotAccepted(`the gateway ${name} speaks for ${regions.join(", ")} alone, not for ` +
      (identity.region ?? "a caller of no region"));
  }
  return identity;
}

function without(metadata: Metadata, ...names: readonly string[]): Metadata {
  return createMetadata(Object.fromEntries(Object.entries(metadata).filter(([name]) => !names.includes(name))));
}

function fitsOf(who: Caller | readonly Caller[]): Fits {
  const all = (Array.isArray(who) ? who as readonly Caller[] : [who as Caller]).map(compileCaller);
  return (identity) => all.some((one) => one(identity));
}
