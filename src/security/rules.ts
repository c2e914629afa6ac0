/**
 * Rules say as data who may call what. The first that matches a call decides; once there is any, what none matches is
 * denied.
 */
import { anonymous, type Context, type Identity, type MethodInfo } from "../core/index.ts";
import { compilePatterns, type Fits, type Patterns } from "./patterns.ts";

/** One rule: all its conditions must hold. An absent one asks nothing, but for `who`. */
export interface AuthorisationRule {
  /** Unique; what the audit log calls it. */
  readonly name: string;
  /** Default `allow`. */
  readonly effect?: "allow" | "deny" | undefined;
  /**
   * Who calls: `anyone`, also who showed nothing; `identified`, the default, whoever is known; or one of these.
   */
  readonly who?: "anyone" | "identified" | Caller | readonly Caller[] | undefined;
  /** Where the caller is, as far as that was proven: see `Identity.region`. */
  readonly region?: Patterns | undefined;
  /**
   * What was proven of the caller, by name; `a.b` is `b` of `a`. Of a list, one member must match, of `scope` one word.
   */
  readonly claims?: Readonly<Record<string, Patterns | number | boolean>> | undefined;
  /** Fully qualified names of services. Standard ones (`grpc.*`) are meant only by patterns that begin with `grpc.`. */
  readonly service?: Patterns | undefined;
  /** Names of methods without the service, as in the contract or in `.proto`. */
  readonly method?: Patterns | undefined;
  /** What callers say themselves, so it proves nothing: good for narrowing what the rest allows. */
  readonly metadata?: Readonly<Record<string, Patterns>> | undefined;
}

/** Conditions on an identity, which must all hold. */
export interface Caller {
  /** `mtls`, `jwt`, `apiKey`, `token`, … */
  readonly kind?: Patterns | undefined;
  readonly name?: Patterns | undefined;
  /** A SPIFFE id, as a verified certificate has it: never the name of a token or a key. */
  readonly spiffe?: Patterns | undefined;
  /** Of a SPIFFE id, its trust domain; of a token, its issuer. */
  readonly trustDomain?: Patterns | undefined;
  /** The trusted gateway that vouches for the caller; see `trust`. */
  readonly via?: Patterns | undefined;
}

/** What became of a call, and by what. */
export interface Decision {
  readonly isAllowed: boolean;
  /** The name of the rule; undefined where none matched, or there are none. */
  readonly rule: string | undefined;
  readonly reason: string;
}

/** The rules in force, which can be replaced while calls go on. */
export interface AuthorisationRules {
  readonly current: readonly AuthorisationRule[];
  /** Grows with every set. */
  readonly version: number;
  /** Puts a checked set in force, at once and as a whole. */
  set(rules: readonly AuthorisationRule[]): void;
  /** What is decided of a method's calls. */
  of(method: MethodInfo): MethodRules;
}

/** Makes rules of what `readRules` has checked. */
export function createAuthorisationRules(initial: readonly AuthorisationRule[]): AuthorisationRules {
  let current = initial;
  let compiled = initial.map(compile);
  let version = 0;
  return {
    get current() {
      return current;
    },
    get version() {
      return version;
    },
    set(rules) {
      compiled = rules.map(compile);
      current = rules;
      version++;
    },
    of: (method) => new MethodRules(compiled.filter((rule) => rule.concerns(method)), compiled.length > 0),
  };
}

/** The rules that may decide on the calls of one method. */
export class MethodRules {
  readonly #rules: CompiledRules;
  readonly #unmatched: Decision;
  /** Whether the caller alone decides, so that one decision holds for all its calls. */
  readonly #isByIdentity: boolean;
  /** Most calls come one after another from few: who came last, and what was decided. */
  #last: Identity | undefined = undefined;
  #lastDecision: Decision | undefined = undefined;
  readonly #known = new WeakMap<Identity, Decision>();

  constructor(rules: CompiledRules, areAny: boolean) {
    this.#rules = rules;
    this.#unmatched = areAny ? noRule : noRules;
    this.#isByIdentity = rules.every((rule) => !rule.asksMetadata);
  }

  decide(identity: Identity, context: Context): Decision {
    if (!this.#isByIdentity) return this.#look(identity, context);
    if (identity === this.#last) return this.#lastDecision as Decision;
    let decision = this.#known.get(identity);
    if (decision === undefined) this.#known.set(identity, decision = this.#look(identity, context));
    this.#last = identity;
    return this.#lastDecision = decision;
  }

  #look(identity: Identity, context: Context): Decision {
    for (const rule of this.#rules) if (rule.matches(identity, context)) return rule.decision;
    return this.#unmatched;
  }
}

const noRule: Decision = { isAllowed: false, rule: undefined, reason: "no rule allows it" };
const noRules: Decision = { isAllowed: true, rule: undefined, reason: "there are no rules" };

type CompiledRules = readonly CompiledRule[];

interface CompiledRule {
  readonly decision: Decision;
  readonly asksMetadata: boolean;
  concerns(method: MethodInfo): boolean;
  matches(identity: Identity, context: Context): boolean;
}

function compile(rule: AuthorisationRule): CompiledRule {
  const { name, effect = "allow" } = rule;
  const isAllowed = effect === "allow";
  const who = whoOf(rule.who ?? "identified");
  const region = rule.region === undefined ? undefined : compilePatterns(rule.region);
  const claims = Object.entries(rule.claims ?? {}).map(([path, wanted]) => claimOf(path, wanted));
  const metadata = Object.entries(rule.metadata ?? {}).map(([key, wanted]) => [key, compilePatterns(wanted)] as const);
  const service = rule.service === undefined ? undefined : compilePatterns(rule.service);
  const named = (typeof rule.service === "string" ? [rule.service] : rule.service ?? [])
    .filter((one) => one.startsWith(standardPrefix));
  const standard = named.length === 0 ? undefined : compilePatterns(named);
  const method = rule.method === undefined ? undefined : compilePatterns(rule.method);
  return {
    decision: {
      isAllowed, rule: name, reason: isAllowed ? "the rule allows it" : "the rule denies it",
    },
    asksMetadata: metadata.length > 0,
    concerns: (info) => (info.service.startsWith(standardPrefix)
      ? standard?.(info.service) === true
      : service?.(info.service) !== false) &&
      (method === undefined || method(info.name) || method(info.wireName)),
    matches: (identity, context) => who(identity) &&
      (region === undefined || region(identity.region)) &&
      claims.every((one) => one(identity)) &&
      metadata.every(([key, fits]) => fits(context.metadata[key])),
  };
}

/** Health and reflection tell of a server rather than serve its users: they are allowed by name alone. */
const standardPrefix = "grpc.";

function whoOf(who: NonNullable<AuthorisationRule["who"]>): (identity: Identity) => boolean {
  if (who === "anyone") return () => true;
  if (who === "identified") return (identity) => identity !== anonymous;
  const callers = (Array.isArray(who) ? who as readonly Caller[] : [who as Caller]).map(compileCaller);
  return callers.length === 1 ? callers[0] as (identity: Identity) => boolean
    : (identity) => callers.some((one) => one(identity));
}

/** Whether an identity is a caller; nobody is who showed nothing. */
export function compileCaller(caller: Caller): (identity: Identity) => boolean {
  const kind = fitsOf(caller.kind);
  const name = fitsOf(caller.name);
  const spiffe = fitsOf(caller.spiffe);
  const trustDomain = fitsOf(caller.trustDomain);
  const via = fitsOf(caller.via);
  return (identity) => identity !== anonymous &&
    (kind === undefined || kind(identity.kind)) &&
    (name === undefined || name(identity.name)) &&
    (spiffe === undefined || (identity.kind === "mtls" && spiffe(spiffeOf(identity)))) &&
    (trustDomain === undefined || trustDomain(identity.trustDomain)) &&
    (via === undefined || via(identity.via));
}

function spiffeOf({ name }: Identity): string | undefined {
  return name.startsWith("spiffe://") ? name : undefined;
}

function fitsOf(patterns: Patterns | undefined): Fits | undefined {
  return patterns === undefined ? undefined : compilePatterns(patterns);
}

function claimOf(path: string, wanted: Patterns | number | boolean): (identity: Identity) => boolean {
  if (typeof wanted === "number" || typeof wanted === "boolean") {
    return ({ claims }) => valuesAt(claims, path).includes(wanted);
  }
  const fits = compilePatterns(wanted);
  return ({ claims }) => valuesAt(claims, path).some((value) => typeof value === "string" && fits(value));
}

/** A claim by its name, or by the names on the way to it; lists by their members, scopes (RFC 8693, 4.2) by words. */
function valuesAt(claims: Identity["claims"], path: string): readonly unknown[] {
  let value: unknown = Object.hasOwn(claims, path) ? claims[path] : undefined;
  if (value === undefined && path.includes(".")) {
    value = claims;
    for (const step of path.split(".")) {
      if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return [];
      value = (value as Record<string, unknown>)[step];
    }
  }
  if (Array.isArray(value)) return value as unknown[];
  return (path === "scope" || path === "scp") && typeof value === "string" ? value.split(" ") : [value];
}
