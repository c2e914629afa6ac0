/**
 * Back-pressure carries the price of a call up to where it begins: what will be turned away below is not begun above.
 *
 * The price of a method is the level that its server lets in (the fewer are let in, the dearer it is), and what a call
 * can pay is its own level: criticality, then user. As in Rajomon (NSDI'25) prices travel back on replies, each tier
 * asks the highest of its own and of what it calls, and whoever cannot pay is turned away before anything was spent on
 * it. Unlike Breakwater's credits they need no account of clients at the server, and pass balancers and gateways. One
 * object serves one process: its `client` half is a layer of the clients, and the server's `admission` is given the
 * whole (`admission({ backPressure })`), so that a call to a method whose handler calls a dear one is refused at once.
 */
import {
  type Context, type ContextFields, isPromise, type Layer, type LayerMaker, type Metadata, numberOption, RpcError,
  type Runtime, type Service,
} from "../core/index.ts";
import { pacedEvents } from "./paced.ts";
import { allLevels, criticalityAt, type LevelOptions, levels } from "./priority.ts";
import { admissionName, levelText, readLevel, shed } from "./shed.ts";

export interface BackPressureOptions extends LevelOptions {
  /** How long a price is believed that is not told again, in milliseconds. Default 500. */
  readonly freshMs?: number | undefined;
  /** Of the calls that cannot pay, one each so many milliseconds is made all the same, to learn the price. 50. */
  readonly probeMs?: number | undefined;
  /** Weight of a new price against those before, since one of several servers told it. Default 0.3. */
  readonly smoothing?: number | undefined;
}

export interface BackPressure {
  /** The layer of clients that learns prices and turns away who cannot pay. Put it outermost in their stack. */
  readonly client: LayerMaker;
  /** Below which level calls of a method can pay for what its handler calls; all of them where nothing is known. */
  cursorOf(path: string, nowMs: number): number;
}

/** Most methods whose prices are kept; the one learnt first is forgotten. */
const maxMethods = 4_096;

interface Price {
  cursor: number;
  toldMs: number;
  probedMs: number;
}

/** Makes the prices of one process. */
export function backPressure(options: BackPressureOptions = {}): BackPressure {
  const freshMs = numberOption("freshMs", options.freshMs ?? 500, { least: 1, unit: "milliseconds" });
  const probeMs = numberOption("probeMs", options.probeMs ?? 50, { least: 1, unit: "milliseconds" });
  const smoothing = numberOption("smoothing", options.smoothing ?? 0.3, { least: 0.01, most: 1 });
  /** By what is called, and of those who call, by the method that calls. */
  const called = new Map<string, Price>();
  const calling = new Map<string, Map<string, Price>>();

  const learn = (context: Context, metadata: Metadata | undefined, nowMs: number): void => {
    const cursor = readLevel(metadata?.[admissionName]);
    if (cursor === undefined) return;
    const { caller, method } = context;
    const price = told(called, method.path, cursor, nowMs);
    if (caller === undefined) return;
    let below = calling.get(caller.path);
    if (below === undefined) {
      if (calling.size >= maxMethods) calling.delete(calling.keys().next().value as string);
      calling.set(caller.path, below = new Map());
    }
    if (below.size < maxMethods) below.set(method.path, price);
  };

  const told = (prices: Map<string, Price>, path: string, cursor: number, nowMs: number): Price => {
    let price = prices.get(path);
    if (price === undefined) {
      if (prices.size >= maxMethods) prices.delete(prices.keys().next().value as string);
      prices.set(path, price = { cursor, toldMs: nowMs, probedMs: nowMs });
    } else {
      price.cursor = nowMs - price.toldMs > freshMs ? cursor : price.cursor + (cursor - price.cursor) * smoothing;
      price.toldMs = nowMs;
    }
    return price;
  };

  const client: LayerMaker = (runtime, observer) => {
    const tell = pacedEvents(runtime.clock, observer);
    return clientLayer(runtime, {
      learn, levelOf: levels(runtime, { ...options, trustsCriticality: true }),
      cannotPay: (context, level, nowMs) => {
        const price = called.get(context.method.path);
        if (price === undefined || level < price.cursor || nowMs - price.toldMs > freshMs) return undefined;
        if (nowMs - price.probedMs >= probeMs) {
          price.probedMs = nowMs;
          return undefined;
        }
        tell("overload.priced", { method: context.method.path, below: levelText(Math.round(price.cursor)),
          why: "the servers let in only what is more important" });
        return price;
      },
    });
  };
  return {
    client,
    cursorOf: (path, nowMs) => {
      const below = calling.get(path);
      if (below === undefined) return allLevels;
      let least = allLevels;
      for (const [method, { cursor, toldMs }] of below) {
        if (nowMs - toldMs > freshMs) below.delete(method);
        else if (cursor < least) least = cursor;
      }
      if (below.size === 0) calling.delete(path);
      return Math.ceil(least);
    },
  };
}

interface Pricing {
  readonly levelOf: (context: Context) => number;
  readonly learn: (context: Context, metadata: Metadata | undefined, nowMs: number) => void;
  /** The price that a call cannot pay. */
  readonly cannotPay: (context: Context, level: number, nowMs: number) => Price | undefined;
}

function clientLayer({ clock }: Pick<Runtime, "clock">, pricing: Pricing): Layer {
  return (next: Service) => (request, context) => {
    const level = pricing.levelOf(context);
    const price = pricing.cannotPay(context, level, context.startedMs);
    if (price !== undefined) {
      throw shed("turned away before it was sent: the servers let in only what is more important", {
        criticality: criticalityAt(level), retryAfterMs: 100, level: levelText(Math.round(price.cursor)),
      });
    }
    const failed = (error: unknown): never => {
      if (RpcError.is(error)) pricing.learn(context, error.metadata, clock.now());
      throw error;
    };
    const { onMetadata } = context;
    const fields: ContextFields = {
      onMetadata: (kind, metadata) => {
        if (kind === "trailer") pricing.learn(context, metadata, clock.now());
        onMetadata?.(kind, metadata);
      },
    };
    try {
      const answer = next(request, context.with(fields));
      return isPromise(answer) ? answer.then(undefined, failed) : answer;
    } catch (error) {
      return failed(error);
    }
  };
}
