/** Keyed breakers are circuit breakers apart for each endpoint, method or other key, with a bound on their number. */
import { type Context, type Layer, numberOption, type Runtime } from "../core/index.ts";
import { circuitBreaker, type CircuitBreaker, type CircuitBreakerOptions } from "./circuit-breaker.ts";

export interface KeyedBreakersOptions extends Omit<CircuitBreakerOptions, "name"> {
  /** Whose breaker a call meets. Default: its method's. */
  readonly key?: ((context: Context, request: unknown) => string) | undefined;
  /** Breakers kept. Of more, the one unused longest goes, those that are closed first. Default 1,024. */
  readonly maxKeys?: number | undefined;
}

export interface KeyedBreakers {
  /** The breaker of a key, made closed if there is none. Its events and messages bear the key as their name. */
  of(key: string): CircuitBreaker;
  readonly size: number;
  readonly layer: Layer;
}

/** How many of the oldest are looked at for one that is closed. */
const looks = 16;

/** Makes them; as a layer, or asked by key (an endpoint's id) where calls are made. */
export function keyedBreakers(runtime: Pick<Runtime, "clock">, options: KeyedBreakersOptions = {}): KeyedBreakers {
  const maxKeys = numberOption("maxKeys", options.maxKeys ?? 1_024, { least: 1, most: 1e6, whole: true });
  const { key = (context: Context) => context.method.path } = options;
  /** Least recently used first. */
  const breakers = new Map<string, CircuitBreaker>();
  const forgetOne = (): void => {
    let looked = 0;
    let oldest: string | undefined;
    for (const [name, breaker] of breakers) {
      oldest ??= name;
      if (breaker.state.kind === "closed") {
        breakers.delete(name);
        return;
      }
      if (++looked === looks) break;
    }
    if (oldest !== undefined) breakers.delete(oldest);
  };
  const of = (name: string): CircuitBreaker => {
    let breaker = breakers.get(name);
    if (breaker !== undefined) {
      breakers.delete(name);
    } else {
      if (breakers.size >= maxKeys) forgetOne();
      breaker = circuitBreaker(runtime, { ...options, name });
    }
    breakers.set(name, breaker);
    return breaker;
  };
  // A bad option is told of at once, not at the first call.
  circuitBreaker(runtime, options);
  return {
    of,
    get size() {
      return breakers.size;
    },
    layer: (next) => (request, context) => of(key(context, request)).layer(next)(request, context),
  };
}
