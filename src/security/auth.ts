/**
 * `auth` guards a server: it finds out who calls, decides by rules whether they may, and tells the audit log.
 *
 * By what stands beside a message most calls are decided before it is decoded: certificates, API keys, tokens that were
 * verified before, and all that is wrong with a token but its signature. A token that is seen for the first time is
 * verified when its message has been decoded, before any layer or handler hears of it.
 */
import {
  anonymous, badOption, type CallGate, type Context, expected, type Guard, type GuardMaker, type Identity, isPromise,
  type Layer, type MethodInfo, numberOption, type Observer, RpcError, type Runtime,
} from "../core/index.ts";
import { Audit, type AuditOptions } from "./audit.ts";
import { type Authenticated, type Authenticator, type AuthenticatorMaker, isIdentity, NotAccepted } from
  "./authenticator.ts";
import { expiring } from "./expiring.ts";
import { readAuthorisationRules, refuseOption } from "./read-rules.ts";
import { RequestLimit, type RequestLimitOptions } from "./requests.ts";
import {
  type AuthorisationRule, type AuthorisationRules, createAuthorisationRules, type Decision, type MethodRules,
} from "./rules.ts";
import { Trust, type TrustOptions } from "./trust.ts";

export interface AuthOptions {
  /** How callers are known: `mtls()`, `jwt(…)`, `apiKeys(…)`, `bearerToken(…)`, in this order. Default: nobody is. */
  readonly identities?: readonly AuthenticatorMaker[] | undefined;
  /**
   * Who may call what: a list, or `authorisation(list)`, which can be replaced. Default none: then everybody may who
   * shows no credentials that are wrong.
   */
  readonly rules?: readonly AuthorisationRule[] | AuthorisationRules | undefined;
  readonly trust?: TrustOptions | undefined;
  readonly audit?: AuditOptions | undefined;
  /** Limits the requests of each identity; of callers who are not known, of each address. Default none. */
  readonly requests?: RequestLimitOptions | undefined;
  /**
   * Whether a stream ends (`unauthenticated`) when what proved its caller's identity expires. Default true; false lets
   * it go on to its own end.
   */
  readonly endStreamsOnExpiry?: boolean | undefined;
}

/** Makes a server's guard, for `createServer({ auth })` and `createGateway({ auth })`. */
export function auth(options: AuthOptions): GuardMaker {
  const { identities = [], audit = {} } = options;
  const rules = rulesOf(options.rules);
  const most = numberOption("audit.maxPerSecond", audit.maxPerSecond ?? 1_000,
    { least: 1, most: 1_000_000, whole: true, unit: "entries" });
  if (identities.length === 0 && rules.current.some(({ who }) => who !== "anyone")) {
    throw badOption("identities", "[]",
      "rules ask who calls, and nothing tells: give mtls(), jwt(...) or apiKeys(...)");
  }
  return (runtime, observer) => new Authority(runtime, observer, {
    ...options, identities, rules, audit: new Audit(runtime.clock, observer, audit, most),
  });
}

/** Rules that can be replaced while a server obeys them. Checks them: `invalid_argument` names rule, key and remedy. */
export function authorisation(rules: readonly AuthorisationRule[]): AuthorisationRules {
  const made = createAuthorisationRules(readAuthorisationRules(rules, ["rules"], refuseOption));
  const set = (next: readonly AuthorisationRule[]): void =>
    made.set(readAuthorisationRules(next, ["rules"], refuseOption));
  return {
    get current() {
      return made.current;
    },
    get version() {
      return made.version;
    },
    set, of: (method) => made.of(method),
  };
}

function rulesOf(rules: AuthOptions["rules"]): AuthorisationRules {
  return rules !== undefined && "of" in rules ? rules : authorisation(rules ?? []);
}

interface Settled extends Omit<AuthOptions, "identities" | "rules" | "audit"> {
  readonly identities: readonly AuthenticatorMaker[];
  readonly rules: AuthorisationRules;
  readonly audit: Audit;
}

class Authority implements Guard {
  readonly layer: Layer;
  readonly #runtime: Runtime;
  readonly #options: Settled;
  readonly #ofMessages: readonly Authenticator[];
  readonly #ofConnections: readonly Authenticator[];
  readonly #trust: Trust;
  readonly #requests: RequestLimit | undefined;
  readonly #methods = new WeakMap<MethodInfo, RulesOfMethod>();
  /** Calls whose callers are being found out. */
  readonly #pending = new WeakMap<Context, Promise<Authenticated>>();

  constructor(runtime: Runtime, observer: Observer, options: Settled) {
    this.#runtime = runtime;
    this.#options = options;
    const all = options.identities.map((make) => make(runtime, observer));
    this.#ofMessages = all.filter((one) => one.of === "message");
    this.#ofConnections = all.filter((one) => one.of === "connection");
    const { trust = {}, requests } = options;
    if ((trust.gateways?.length ?? 0) > 0 && this.#ofConnections.length === 0) {
      throw badOption("trust.gateways", "[…]", "gateways are known by their certificates: add mtls() to `identities`");
    }
    this.#trust = new Trust(trust, this.#ofConnections);
    this.#requests = requests === undefined ? undefined : new RequestLimit(runtime.clock, requests);
    this.layer = (next) => (request, context) => {
      if (context.identity === undefined) {
        // Not found out yet by the gate, or there is none on this way.
        if (!this.#pending.has(context)) {
          const refusal = this.ask(context, this.#of(context.method));
          if (refusal !== undefined) throw refusal;
        }
        const pending = this.#pending.get(context);
        if (pending !== undefined) return this.#later(pending, context, (believed) => next(request, believed));
      }
      const answer = next(request, this.#trust.believed(context));
      return context.method.kind === "unary" ? answer : this.#goOn(answer, context);
    };
  }

  /** Once it is known who calls. */
  async #later(
    pending: Promise<Authenticated>, context: Context, call: (believed: Context) => unknown,
  ): Promise<unknown> {
    const found = await pending;
    this.#pending.delete(context);
    if (context.cancelReason !== undefined) throw context.cancelReason;
    const refusal = this.#settle(context, this.#of(context.method), found);
    if (refusal !== undefined) throw refusal;
    return this.#goOn(call(this.#trust.believed(context)), context);
  }

  gate(method: MethodInfo, admission: CallGate | undefined): CallGate {
    return new MethodGate(this, this.#of(method), admission);
  }

  #of(method: MethodInfo): RulesOfMethod {
    let found = this.#methods.get(method);
    if (found === undefined) this.#methods.set(method, found = new RulesOfMethod(this.#options.rules, method));
    return found;
  }

  /** Why a call is refused, as far as that is known at once. */
  ask(context: Context, rules: RulesOfMethod): RpcError | undefined {
    let found: Authenticated | Promise<Authenticated>;
    try {
      found = this.#identify(context);
    } catch (error) {
      found = broken(error);
    }
    if (!(found instanceof Promise)) return this.#settle(context, rules, found);
    this.#pending.set(context, found.catch(broken));
    return undefined;
  }

  #identify(context: Context): Authenticated | Promise<Authenticated> {
    const forwarded = this.#trust.forwarded(context);
    if (forwarded !== undefined) return forwarded;
    const { length } = this.#ofMessages;
    let refused: NotAccepted | undefined;
    for (let i = 0; i < length; i++) {
      const found = (this.#ofMessages[i] as Authenticator).identify(context);
      if (found === undefined) continue;
      if (found instanceof Promise) return this.#identifyLater(found, i + 1, refused, context);
      if (isIdentity(found)) return found;
      refused ??= found;
    }
    return refused ?? this.#ofConnection(context);
  }

  /** Whoever showed credentials with the message that nobody accepts is not let in by his connection. */
  async #identifyLater(
    first: Promise<Authenticated>, next: number, before: NotAccepted | undefined, context: Context,
  ): Promise<Authenticated> {
    const found = await first;
    if (isIdentity(found)) return found;
    let refused = before ?? found;
    for (const one of this.#ofMessages.slice(next)) {
      const other = await one.identify(context);
      if (other === undefined) continue;
      if (isIdentity(other)) return other;
      if (refused.code === "unauthenticated" && other.code === "unavailable") refused = other;
    }
    return refused;
  }

  /** Found out once a connection: what it was opened with does not change. */
  #ofConnection(context: Context): Authenticated | Promise<Authenticated> {
    const { peer } = context;
    if (peer === undefined) return anonymous;
    const memo = peer.memo;
    if (memo instanceof Known && memo.authority === this) return memo.found;
    const found = this.#lookAtConnection(context);
    if (!(found instanceof Promise)) peer.memo = new Known(this, found);
    return found;
  }

  #lookAtConnection(context: Context): Authenticated | Promise<Authenticated> {
    for (const one of this.#ofConnections) {
      const found = one.identify(context);
      if (found !== undefined) return found;
    }
    return anonymous;
  }

  /** Decides on a call of whom is known now; undefined lets it in. */
  #settle(context: Context, rules: RulesOfMethod, found: Authenticated): RpcError | undefined {
    if (!isIdentity(found)) {
      const { code, says, reason } = found;
      this.#record("deny", context, anonymous, { rule: undefined, reason }, code);
      return expected(code, says, { neverStarted: true, retryable: code === "unavailable" });
    }
    const identity = this.#trust.placed(found);
    const { expiresAtMs } = identity;
    if (expiresAtMs !== undefined && this.#runtime.clock.wallMs() >= expiresAtMs) {
      const reason = "what proved the identity has expired";
      this.#record("deny", context, identity, { rule: undefined, reason }, "unauthenticated");
      return expected("unauthenticated", reason, { neverStarted: true, retryable: false });
    }
    const decision = rules.rules.decide(identity, context);
    if (!decision.isAllowed) return this.#denied(context, identity, decision);
    const waitMs = this.#requests?.take(identity, context) ?? 0;
    if (waitMs > 0) {
      const reason = "the identity has made more requests than it may (requests.perSecond)";
      this.#record("deny", context, identity, { rule: decision.rule, reason }, "resource_exhausted");
      return expected("resource_exhausted", "this caller makes more requests than it may",
        { neverStarted: true, retryAfterMs: waitMs });
    }
    if (this.#options.audit.tellsAllowed) this.#record("allow", context, identity, decision, undefined);
    context.identity = identity;
    return undefined;
  }

  #denied(context: Context, identity: Identity, decision: Decision): RpcError {
    const code = identity.kind === "anonymous" ? "unauthenticated" : "permission_denied";
    this.#record("deny", context, identity, decision, code);
    return expected(code, code === "unauthenticated" ? "this call needs credentials" : "this caller may not do that",
      { neverStarted: true, retryable: false });
  }

  #record(
    decision: "allow" | "deny", { method, peer }: Context, { kind, name, trustDomain, region, via }: Identity,
    { rule, reason }: Pick<Decision, "rule" | "reason">, code: string | undefined,
  ): void {
    this.#options.audit.record({
      decision, method: method.path, kind, name, trustDomain, region, via,
      peer: peer?.address ?? "", secured: peer?.isSecured ?? false, rule, reason, code,
    });
  }

  /** Of a stream, ends the answer when the identity expires. */
  #goOn(answer: unknown, context: Context): unknown {
    const { identity, method } = context;
    const expiresAtMs = identity?.expiresAtMs;
    if (expiresAtMs === undefined || method.kind === "unary" || this.#options.endStreamsOnExpiry === false) {
      return answer;
    }
    const { clock } = this.#runtime;
    const ended = expected("unauthenticated", "what proved the caller's identity has expired", { retryable: false });
    if (isPromise(answer) && method.kind !== "client_stream") {
      return answer.then((items) => expiring(clock, items, context, { atWallMs: expiresAtMs, ended }));
    }
    return expiring(clock, answer, context, { atWallMs: expiresAtMs, ended });
  }

  close(): void {
    for (const one of [...this.#ofMessages, ...this.#ofConnections]) one.close?.();
  }
}

function broken(error: unknown): NotAccepted {
  const { message } = RpcError.from(error, "internal");
  return new NotAccepted(`credentials cannot be verified: ${message}`, "credentials cannot be verified now",
    "unavailable");
}

/** What was found out of a connection. */
class Known {
  readonly authority: Authority;
  readonly found: Authenticated;

  constructor(authority: Authority, found: Authenticated) {
    this.authority = authority;
    this.found = found;
  }
}

/** The rules of one method, made anew when the rules change. */
class RulesOfMethod {
  readonly #all: AuthorisationRules;
  readonly #method: MethodInfo;
  #version = -1;
  #rules!: MethodRules;

  constructor(all: AuthorisationRules, method: MethodInfo) {
    this.#all = all;
    this.#method = method;
  }

  get rules(): MethodRules {
    const { version } = this.#all;
    if (version !== this.#version) {
      this.#rules = this.#all.of(this.#method);
      this.#version = version;
    }
    return this.#rules;
  }
}

/** Stands before a method, behind admission's gate, which costs less. */
class MethodGate implements CallGate {
  readonly isShut = true;
  isAsked = false;
  readonly #authority: Authority;
  readonly #rules: RulesOfMethod;
  readonly #admission: CallGate | undefined;

  constructor(authority: Authority, rules: RulesOfMethod, admission: CallGate | undefined) {
    this.#authority = authority;
    this.#rules = rules;
    this.#admission = admission;
  }

  refuse(context: Context): RpcError | undefined {
    const admission = this.#admission;
    const shed = admission?.isShut === true ? admission.refuse(context) : undefined;
    return shed ?? this.#authority.ask(context, this.#rules);
  }

  ended(context: Context, nowMs: number, error: unknown): void {
    this.#admission?.ended(context, nowMs, error);
  }
}
