/** Pickers that obey rules: a picker over pickers, one for each rule, since pickers keep what they derive. */
import {
  type Candidate, type Context, expected, type Picker, type PickExplanation, type RpcError,
} from "../core/index.ts";
import { derived } from "../balance/derived.ts";
import { hasAttributes } from "./regional-discovery.ts";
import type { RoutingRule, Rules, RuleTarget } from "./rules.ts";

/**
 * Makes a picker that obeys `rules`; each rule gets its own of `makePicker`. For a client:
 * `createClient(Contract, { routing: (makePicker) => byRules(rules, makePicker) })`.
 *
 * Every attempt is matched anew. Throws, as the call's error, what a rule rejects, and `unavailable` naming the
 * rule where a rule's targets do not exist.
 */
export function byRules(rules: Rules, makePicker: () => Picker): Picker & { readonly seesAll: true } {
  const usual = seeingAll(makePicker());
  const pickers = new WeakMap<RoutingRule, Picker>();
  let last: { readonly rule: RoutingRule | undefined; readonly picker: Picker } = { rule: undefined, picker: usual };
  const unruled = last;
  const pick = <C extends Candidate>(candidates: readonly C[], context: Context): C | undefined => {
    const rule = rules.match(context);
    if (rule === undefined) {
      last = unruled;
      return usual(candidates, context);
    }
    let picker = pickers.get(rule);
    if (picker === undefined) pickers.set(rule, picker = rulePicker(rule, usual, makePicker));
    last = { rule, picker };
    return picker(candidates, context);
  };
  return Object.assign(pick, {
    seesAll: true as const,
    explain: (context: Context): PickExplanation =>
      ({ ...last.picker.explain?.(context), ...(last.rule === undefined ? undefined : { rule: last.rule.name }) }),
  });
}

/** The picker of the calls of one rule; `usual` is that of calls without a rule. */
export function rulePicker(rule: RoutingRule, usual: Picker, makePicker: () => Picker): Picker {
  const { reject, target } = rule;
  if (reject !== undefined) {
    return () => {
      throw rejection(rule);
    };
  }
  if (target.regions === undefined && target.attributes === undefined) return usual;
  const inner = seeingAll(makePicker());
  const targetsAmong = derived((candidates) => findTargets(target, candidates));
  const pick = <C extends Candidate>(candidates: readonly C[], context: Context): C | undefined => {
    // Nobody is known yet, or nobody at all: that is not the rule's doing.
    if (candidates.length === 0) return undefined;
    const { list, isReady } = targetsAmong(candidates);
    if (target.fallback === true && !isReady) return usual(candidates, context);
    const picked = inner(list, context) as C | undefined;
    if (picked !== undefined) return picked;
    if (target.fallback === true) return usual(candidates, context);
    throw nobody(rule, list.length, candidates.length);
  };
  return Object.assign(pick, {
    explain: (context: Context): PickExplanation => {
      const within = inner.explain?.(context);
      return {
        ...within, rule: rule.name,
        rejects: (candidate) => (isTarget(target, candidate)
          ? within?.rejects?.(candidate)
          : `rule "${rule.name}" sends elsewhere: to ${describeTarget(target)}`),
      };
    },
  });
}

/** The error of a call that a rule rejects: certain not to have started, and never retried. */
export function rejection(rule: RoutingRule): RpcError {
  const { code, message } = rule.reject ?? { code: "internal", message: "" };
  return expected(code, message, { neverStarted: true, retryable: false, retryAfterMs: -1, phase: "pick" });
}

/** `regions eu-west, attributes version=2`, for people. */
export function describeTarget({ regions, attributes, service }: RuleTarget): string {
  const parts: string[] = [];
  if (service !== undefined) parts.push(`service "${service}"`);
  if (regions !== undefined) parts.push(`${regions.length === 1 ? "region" : "regions"} ${regions.join(", ")}`);
  if (attributes !== undefined) {
    parts.push(`attributes ${Object.entries(attributes).map(([name, value]) => `${name}=${value}`).join(", ")}`);
  }
  return parts.join(", ");
}

function nobody(rule: RoutingRule, targets: number, candidates: number): RpcError {
  const where = `rule "${rule.name}" sends this call to ${describeTarget(rule.target)} only`;
  return expected("unavailable", targets === 0
    ? `${where}, where none of the ${candidates} known endpoints is`
    : `${where}, and none of the ${targets} endpoints there may take it`, { neverStarted: true, phase: "pick" });
}

interface Targets {
  readonly list: readonly Candidate[];
  /** Whether one of them can take a call at once. */
  readonly isReady: boolean;
}

function findTargets(target: RuleTarget, candidates: readonly Candidate[]): Targets {
  const list = candidates.filter((candidate) => isTarget(target, candidate));
  return { list, isReady: list.some(({ status }) => status === "ready" || status === "idle" || status === "busy") };
}

function isTarget(target: RuleTarget, { address }: Candidate): boolean {
  return (target.regions === undefined || target.regions.includes(address.region)) &&
    (target.attributes === undefined || hasAttributes(address, target.attributes));
}

/** A picker that expects only those that may be called, under one that is given all. */
function seeingAll(picker: Picker): Picker {
  if (picker.seesAll === true) return picker;
  const open = derived((candidates) => {
    const ready = candidates.filter(({ status }) => status === "ready" || status === "idle");
    if (ready.length > 0) return ready;
    const busy = candidates.filter(({ status }) => status === "busy");
    if (busy.length > 0) return busy;
    const connecting = candidates.filter(({ status }) => status === "connecting");
    return connecting.length > 0 ? connecting : candidates.filter(({ status }) => status !== "closed");
  });
  const pick = <C extends Candidate>(candidates: readonly C[], context: Context): C | undefined =>
    picker(open(candidates) as readonly Candidate[] as readonly C[], context);
  return Object.assign(pick, { explain: picker.explain });
}
