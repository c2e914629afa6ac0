/**
 * Collapsing lets identical calls that are under way at the same time share one attempt.
 *
 * Calls are identical if they are of one method, with equal requests, route keys and the metadata that matters. Each
 * caller keeps his own deadline and his own cancellation; the shared call lives as long as anybody waits for it, and is
 * cancelled, at the server too, when the last has gone. It is given twice the time that the first caller has, so that
 * those who come later may share it; who has more time than that goes alone.
 */
import {
  Alarm, type Cancellable, type Clock, Context, expected, isPromise, type Layer, type LayerMaker, type MethodInfo,
  numberOption, type RpcError, type Runtime, type Service,
} from "../core/index.ts";

export interface CollapseOptions {
  /** Names of the methods whose calls are shared. Default: those declared `safe`. */
  readonly methods?: readonly string[] | undefined;
  /** Names of metadata that make calls differ, or `all`. Default all, since who asks often decides what he is told. */
  readonly metadata?: readonly string[] | "all" | undefined;
  /** What tells requests apart. Default: their JSON, with the members of objects in order of their names. */
  readonly key?: ((request: unknown, context: Context) => string | undefined) | undefined;
  /** Shared calls at once; those beyond go alone. Default 10,000. */
  readonly maxShared?: number | undefined;
  /** Longest key, in characters; calls of larger requests go alone. Default 65,536. */
  readonly maxKeyChars?: number | undefined;
}

export interface Collapse extends Layer {
  /** Shared calls under way. */
  readonly shared: number;
  /** Calls that were spared by joining one. */
  readonly joined: number;
}

/** Makes the layer: `createClient(Contract, { collapse: collapse() })`. */
export function collapse(options: CollapseOptions = {}): LayerMaker {
  return (runtime) => collapseLayer(runtime, options);
}

/** The same with what it has shared so far, for figures. */
export function collapseLayer(runtime: Pick<Runtime, "clock">, options: CollapseOptions = {}): Collapse {
  const maxShared = numberOption("maxShared", options.maxShared ?? 10_000, { least: 1, most: 1e6, whole: true });
  const maxKeyChars = numberOption("maxKeyChars", options.maxKeyChars ?? 65_536, { least: 1, most: 1 << 28 });
  const { methods, metadata = "all" } = options;
  const isShared = (method: MethodInfo): boolean => method.kind === "unary" &&
    (methods === undefined ? method.safe === true : methods.includes(method.name));
  const keyOf = options.key ?? canonical;
  const shared = new Map<string, Shared>();
  let joined = 0;
  const layer: Layer = (next) => (request, context) => {
    // Whoever wants to see response metadata wants that of his own call.
    if (!isShared(context.method) || context.onMetadata !== undefined) return next(request, context);
    const own = keyOf(request, context);
    if (own === undefined || own.length > maxKeyChars) return next(request, context);
    const key = `${context.method.ordinal} ${context.routeKey ?? ""} ${canonicalMetadata(context, metadata)} ${own}`;
    let call = shared.get(key);
    if (call !== undefined && call.mayJoin(context)) {
      joined++;
      return call.join(context);
    }
    if (shared.size >= maxShared) return next(request, context);
    const begun = call = new Shared(runtime.clock, () => {
      if (shared.get(key) === begun) shared.delete(key);
    });
    shared.set(key, call);
    return call.begin(next, request, context);
  };
  return Object.defineProperties(layer as Collapse, {
    shared: { get: () => shared.size }, joined: { get: () => joined },
  });
}

/** JSON with members in order; undefined where a value has none, so that such calls go alone. */
function canonical(request: unknown): string | undefined {
  try {
    return JSON.stringify(request, (_key, value: unknown) => {
      if (typeof value === "bigint") return `${value}n`;
      if (value instanceof Uint8Array) return `bytes ${[...value].join()}`;
      if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
      return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
    });
  } catch {
    return undefined;
  }
}

function canonicalMetadata({ metadata }: Context, names: readonly string[] | "all"): string {
  const entries = Object.entries(metadata).filter(([name]) => names === "all" || names.includes(name));
  return entries.length === 0 ? "" : JSON.stringify(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** One call for all who wait. */
class Shared {
  readonly #clock: Clock;
  readonly #over: () => void;
  readonly #waiting = new Set<Waiting>();
  #context: Context | undefined = undefined;

  constructor(clock: Clock, over: () => void) {
    this.#clock = clock;
    this.#over = over;
  }

  /** Who may wait longer than the shared call may take goes alone, rather than fail with it. */
  mayJoin(context: Context): boolean {
    return this.#context !== undefined && this.#context.cancelReason === undefined &&
      context.deadline <= this.#context.deadline;
  }

  begin(next: Service, request: unknown, context: Context): unknown {
    const { method, startedMs, deadline, metadata, routeKey, idempotencyKey, hops } = context;
    // Not the first caller's child: the others go on waiting when he has left.
    const own = this.#context = new Context(method, startedMs, deadline + (deadline - startedMs),
      { metadata, routeKey, idempotencyKey, hops });
    const first = this.#wait(context);
    let answer: unknown;
    try {
      answer = next(request, own);
    } catch (error) {
      this.#end((one) => one.fail(error));
      return first;
    }
    if (isPromise(answer)) {
      answer.then((value) => this.#end((one) => one.succeed(value)),
        (error: unknown) => this.#end((one) => one.fail(error)));
    } else {
      this.#end((one) => one.succeed(answer));
    }
    return first;
  }

  join(context: Context): Promise<unknown> {
    return this.#wait(context);
  }

  #wait(context: Context): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const waiting = new Waiting(context, resolve, reject, this.#clock, (one) => {
        this.#waiting.delete(one);
        if (this.#waiting.size > 0) return;
        this.#over();
        this.#context?.cancel(expected("cancelled", "nobody waits for the shared call any more"));
      });
      this.#waiting.add(waiting);
      if (context.deadline !== Infinity) this.#clock.set(waiting, context.deadline);
      context.onCancel(waiting);
    });
  }

  #end(tell: (one: Waiting) => void): void {
    this.#over();
    for (const one of this.#waiting) {
      one.leave();
      tell(one);
    }
    this.#waiting.clear();
  }
}

class Waiting extends Alarm implements Cancellable {
  readonly #context: Context;
  readonly succeed: (value: unknown) => void;
  readonly fail: (error: unknown) => void;
  readonly #clock: Clock;
  readonly #gone: (one: Waiting) => void;

  constructor(
    context: Context, succeed: (value: unknown) => void, fail: (error: unknown) => void, clock: Clock,
    gone: (one: Waiting) => void,
  ) {
    super();
    this.#context = context;
    this.succeed = succeed;
    this.fail = fail;
    this.#clock = clock;
    this.#gone = gone;
  }

  leave(): void {
    this.#clock.clear(this);
    this.#context.offCancel(this);
  }

  override ring(): void {
    this.leave();
    this.fail(expected("deadline_exceeded", "the deadline passed while waiting for a shared call"));
    this.#gone(this);
  }

  cancelled(reason: RpcError): void {
    this.leave();
    this.fail(reason);
    this.#gone(this);
  }
}
