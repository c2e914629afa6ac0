/** Rules say which methods are answered from a cache, and for how long. */
import { badOption, type Code, codeFromNumber, codeNumber, type MethodInfo, numberOption } from "../core/index.ts";

export interface CacheRule {
  /**
   * How long an answer is fresh, in milliseconds, where the server does not say (`cache-control: max-age`). Default 0:
   * only what servers say is kept.
   */
  readonly ttlMs?: number | undefined;
  /** For so long after that an answer is still given at once, while a new one is fetched behind it. Default 0. */
  readonly staleWhileRevalidateMs?: number | undefined;
  /** For so long after that an answer is given where the call fails for want of a server. Default 0. */
  readonly staleIfErrorMs?: number | undefined;
  /** How long errors of these codes are kept, in milliseconds, e.g. `{ not_found: 5_000 }`. Default none. */
  readonly negative?: Readonly<Partial<Record<Code, number>>> | undefined;
  /** What an answer is about, beside what the server says by `cache-tags`: for `invalidateTag`. */
  readonly tags?: ((request: never) => readonly string[]) | undefined;
}

/** A rule for one method. */
export interface CachedMethod extends CacheRule {
  readonly method: MethodInfo;
}

export interface ResolvedRule {
  readonly ttlMs: number;
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
  readonly negative: ReadonlyMap<Code, number>;
  readonly tags: ((request: unknown) => readonly string[]) | undefined;
}

/** Nothing is kept for longer, in milliseconds: a week. */
export const maxKeptMs = 7 * 86_400_000;

/** Finds the rule of a method: its own, or the general one if it is safe. Undefined: it is not cached. */
export function rulesOf(
  general: CacheRule, methods: readonly CachedMethod[],
): (method: MethodInfo) => ResolvedRule | undefined {
  const base = resolveRule(general, undefined, "");
  const own = new Map<string, ResolvedRule>();
  for (const one of methods) {
    const { method } = one;
    requireCacheable(method);
    if (own.has(method.path)) throw badOption("methods", method.path, "is named twice");
    own.set(method.path, resolveRule(one, base, `methods: ${method.path}: `));
  }
  const known: (ResolvedRule | undefined | null)[] = [];
  return (method) => {
    let rule = known[method.ordinal];
    if (rule === undefined) {
      // By path, since a gateway makes methods of its own of what it forwards.
      rule = own.get(method.path) ?? (method.safe === true && method.kind === "unary" ? base : null);
      known[method.ordinal] = rule;
    }
    return rule ?? undefined;
  };
}

function requireCacheable({ path, kind, safe, idempotent }: MethodInfo): void {
  if (kind !== "unary") throw badOption("methods", path, `is a ${kind}: only answers to unary calls are kept`);
  if (safe === true || idempotent === true) return;
  throw badOption("methods", path, "may change something, so an answer from a cache would leave it undone: declare " +
    "it `safe: true` (or at least `idempotent: true`) if it does not");
}

function resolveRule(rule: CacheRule, base: ResolvedRule | undefined, where: string): ResolvedRule {
  const ms = (name: "ttlMs" | "staleWhileRevalidateMs" | "staleIfErrorMs"): number =>
    numberOption(where + name, rule[name] ?? base?.[name] ?? 0, { least: 0, most: maxKeptMs, unit: "milliseconds" });
  const negative = new Map<Code, number>(base?.negative);
  for (const [code, forMs] of Object.entries(rule.negative ?? {})) {
    if (codeFromNumber(codeNumber(code as Code)) !== code) {
      throw badOption(`${where}negative`, code, "expected status codes such as not_found");
    }
    if (code === "cancelled" || code === "deadline_exceeded") {
      throw badOption(`${where}negative`, code, "speaks of one call, and says nothing to another");
    }
    const range = { least: 0, most: maxKeptMs, unit: "milliseconds" };
    negative.set(code, numberOption(`${where}negative.${code}`, forMs, range));
  }
  return {
    ttlMs: ms("ttlMs"), staleWhileRevalidateMs: ms("staleWhileRevalidateMs"), staleIfErrorMs: ms("staleIfErrorMs"),
    negative, tags: (rule.tags as ResolvedRule["tags"]) ?? base?.tags,
  };
}
