/**
 * Rules say where calls go, as data: by service, method, metadata, route key or a share of them. The first rule
 * that matches a call decides; a call that none matches goes where it would go without rules.
 *
 * A set of rules is replaced as a whole while calls are in flight: a call obeys the rules in force when it came.
 */
import type { Code, Context, MethodInfo } from "../core/index.ts";
import { hash32 } from "../balance/hash.ts";
import { compilePatterns, type Fits, type Patterns } from "./patterns.ts";
import { readRules, refuseRules } from "./read-rules.ts";

/** One rule. `match` absent matches every call; `to: {}` sends calls where they would go without rules. */
export interface Rule {
  /** Unique; what errors, events and shares call it. */
  readonly name: string;
  readonly match?: RuleMatch | undefined;
  readonly to: RuleTarget | RuleRejection;
}

/** Conditions that must all hold. Texts are exact or end in `*`; of a list, one must match. */
export interface RuleMatch {
  /** Fully qualified, e.g. `calc.v1.Calculator`. */
  readonly service?: Patterns | undefined;
  /** Without the service, e.g. `add`. */
  readonly method?: Patterns | undefined;
  /** By lower-case name. `*` asks only that the entry is there. */
  readonly metadata?: Readonly<Record<string, Patterns>> | undefined;
  readonly routeKey?: Patterns | undefined;
  /**
   * This share of the calls that meet the other conditions, 0 to 100. By the hash of route key or idempotency
   * key, so that a key stays with its rule and a growing share only adds keys; evenly spread without a key.
   */
  readonly hashPercent?: number | undefined;
}

/** Where the calls of a rule go. Whatever is absent stays as it would be without rules. */
export interface RuleTarget {
  /** Only these regions. */
  readonly regions?: readonly string[] | undefined;
  /** Only endpoints with all these attributes. */
  readonly attributes?: Readonly<Record<string, string>> | undefined;
  /** Servers that registered under this name, for the same contract. Only a gateway can do that. */
  readonly service?: string | undefined;
  /** When no endpoint above is ready, the call goes where it would go without rules. Default false: it fails. */
  readonly fallback?: boolean | undefined;
}

/** The calls of a rule fail with this error and are not retried. */
export interface RuleRejection {
  readonly reject: { readonly code: Code; readonly message: string };
}

/** Names of rules, by what became of them. */
export interface RulesChange {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
}

/** The rules in force, shared by all gateways and clients of a process that obey them. */
export interface Rules {
  readonly current: readonly Rule[];
  /** Grows by one with every set. */
  readonly version: number;
  /**
   * Puts a set in force, at once and as a whole. Throws `invalid_argument` naming rule, key and what was expected,
   * and leaves the old set in force, if anything is wrong.
   */
  set(rules: readonly Rule[]): RulesChange;
  /** The rule that decides on a call. To be asked once a call: shares count. */
  match(context: Context): RoutingRule | undefined;
  /** How many calls each rule in force has decided on since it came into force. */
  matches(): readonly { readonly rule: string; readonly calls: number }[];
}

/** A rule compiled. It lives on through sets that do not change it, and so does what pickers keep with it. */
export interface RoutingRule {
  readonly name: string;
  readonly target: RuleTarget;
  readonly reject: RuleRejection["reject"] | undefined;
  /** Whether its share of this call was drawn, rather than said by a key: another gateway must be told. */
  isDrawn(context: Context): boolean;
}

/** Metadata by which a gateway tells the next one which share it drew. */
export const ruleMetadata = "meridian-rule";

/** Makes rules. Throws as {@link Rules.set} does. */
export function createRules(initial: readonly Rule[] = []): Rules {
  let compiled: readonly CompiledRule[] = [];
  let version = 0;
  /** The rules that may match a method, in order: most calls look at few or none. */
  let byMethod = new WeakMap<MethodInfo, readonly CompiledRule[]>();
  let lastMethod: MethodInfo | undefined;
  let lastRules: readonly CompiledRule[] = [];

  function rulesFor(method: MethodInfo): readonly CompiledRule[] {
    let found = byMethod.get(method);
    if (found === undefined) byMethod.set(method, found = compiled.filter((rule) => rule.mayMatch(method)));
    lastMethod = method;
    return lastRules = found;
  }

  function set(rules: readonly Rule[]): RulesChange {
    const before = new Map(compiled.map((rule) => [rule.name, rule]));
    const after = readRules(rules, ["rules"], refuseRules).map((rule) => {
      const old = before.get(rule.name);
      return old?.text === JSON.stringify(rule) ? old : new CompiledRule(rule);
    });
    compiled = after;
    byMethod = new WeakMap();
    lastMethod = undefined;
    version++;
    const names = new Set(after.map((rule) => rule.name));
    return {
      added: after.filter((rule) => !before.has(rule.name)).map((rule) => rule.name),
      removed: [...before.keys()].filter((name) => !names.has(name)),
      changed: after.filter((rule) => (before.get(rule.name) ?? rule) !== rule).map((rule) => rule.name),
    };
  }

  set(initial);
  version = 0;
  return {
    get current() {
      return compiled.map(({ rule }) => rule);
    },
    get version() {
      return version;
    },
    set,
    match(context) {
      const { method } = context;
      const rules = method === lastMethod ? lastRules : rulesFor(method);
      for (let i = 0; i < rules.length; i++) {
        const rule = rules[i] as CompiledRule;
        if (!rule.matches(context)) continue;
        rule.calls++;
        return rule;
      }
      return undefined;
    },
    matches: () => compiled.map(({ name, calls }) => ({ rule: name, calls })),
  };
}

/** Steps of the golden ratio fill the unit interval evenly: a share is met within a call or two. */
const goldenStep = 0.618_033_988_749_894_9;

class CompiledRule implements RoutingRule {
  readonly name: string;
  readonly rule: Rule;
  readonly text: string;
  readonly target: RuleTarget;
  readonly reject: RuleRejection["reject"] | undefined;
  readonly #service: Fits | undefined;
  readonly #method: Fits | undefined;
  readonly #metadata: readonly (readonly [string, Fits])[];
  readonly #routeKey: Fits | undefined;
  /** 0 to 1; undefined where there is no share. */
  readonly #share: number | undefined;
  readonly #seed: number;
  #point = 0.5;
  /** How many it decided on. */
  calls = 0;

  constructor(rule: Rule) {
    const { service, method, metadata = {}, routeKey, hashPercent } = rule.match ?? {};
    this.name = rule.name;
    this.rule = rule;
    this.text = JSON.stringify(rule);
    this.reject = "reject" in rule.to ? rule.to.reject : undefined;
    this.target = "reject" in rule.to ? {} : rule.to;
    this.#service = service === undefined ? undefined : compilePatterns(service);
    this.#method = method === undefined ? undefined : compilePatterns(method);
    this.#metadata = Object.entries(metadata).map(([name, patterns]) => [name, compilePatterns(patterns)] as const);
    this.#routeKey = routeKey === undefined ? undefined : compilePatterns(routeKey);
    this.#share = hashPercent === undefined ? undefined : hashPercent / 100;
    this.#seed = hash32(rule.name);
  }

  /** The part of the match that no call changes. */
  mayMatch(method: MethodInfo): boolean {
    return this.#service?.(method.service) !== false && this.#method?.(method.name) !== false;
  }

  matches(context: Context): boolean {
    if (this.#routeKey !== undefined && !this.#routeKey(context.routeKey)) return false;
    for (let i = 0; i < this.#metadata.length; i++) {
      const [name, fits] = this.#metadata[i] as readonly [string, Fits];
      if (!fits(context.metadata[name])) return false;
    }
    return this.#share === undefined || this.#isInShare(this.#share, context);
  }

  #isInShare(share: number, context: Context): boolean {
    const key = context.routeKey ?? context.idempotencyKey;
    if (key !== undefined) return hash32(key, this.#seed) < share * 2 ** 32;
    // A gateway has drawn already; drawing again would make a tenth of a tenth.
    if (context.hops > 0) return context.metadata[ruleMetadata] === this.name;
    this.#point = (this.#point + goldenStep) % 1;
    return this.#point < share;
  }

  isDrawn(context: Context): boolean {
    return this.#share !== undefined && context.routeKey === undefined && context.idempotencyKey === undefined;
  }
}
