/** Forwarding is a handler that is a client: same deadline, keys and cancellation, metadata both ways, one hop more. */
import {
  type Clock, type Context, createMetadata, isPromise, type Metadata, type MethodInfo, type Service,
} from "../core/index.ts";
import type { MethodPolicies, MethodPolicy } from "../client/method-policy.ts";
import { rejection } from "./by-rules.ts";
import type { Copying, Mirror } from "./mirror.ts";
import { type RoutingRule, ruleMetadata, type Rules } from "./rules.ts";
import { upstreamTrailer } from "./times.ts";
import type { Upstream, Upstreams } from "./upstreams.ts";

export interface Forwarding {
  readonly upstreams: Upstreams;
  readonly rules: Rules | undefined;
  /** Set where single methods have time limits of their own. */
  readonly methods: MethodPolicies | undefined;
  /** Set where replies say how long the server took. */
  readonly timedBy: Clock | undefined;
  /** Whether somebody keeps records of decisions, and wants to know of the rule. */
  readonly isTraced?: boolean | undefined;
  /** Set where copies of calls may be wanted elsewhere. */
  readonly mirror?: { readonly switchboard: Mirror; readonly copying: Copying } | undefined;
}

/** Forwards the calls of one method. What is not configured is not looked at while calls go by. */
export function forward(method: MethodInfo, forwarding: Forwarding): Service {
  const { upstreams, rules, methods, timedBy, isTraced = false } = forwarding;
  const name = method.service;
  let upstream = upstreams.get(name);
  /** One that nobody served may have been closed to make room. */
  const open = (): Upstream => (upstream.isClosed ? upstream = upstreams.get(name) : upstream);
  const own = methods?.(method);
  const plain: Service = (request, context) => open().calling.service(request, onward(context, context.metadata, own));
  const routed = rules === undefined ? plain : (request: unknown, context: Context): unknown => {
    const rule = rules.match(context);
    if (rule === undefined) return plain(request, context);
    if (isTraced) context.traced().rule = rule.name;
    if (rule.reject !== undefined) throw rejection(rule);
    const other = rule.target.service;
    const target = other === undefined ? open() : upstreams.get(other);
    const metadata = rule.isDrawn(context) ? withRule(context, rule) : context.metadata;
    return target.serviceOf(rule)(request, onward(context, metadata, own));
  };
  const whole = timedBy === undefined ? routed : timed(timedBy, routed);
  return forwarding.mirror === undefined ? whole : mirrored(method, forwarding.mirror, whole);
}

/** The call itself first: a copy never holds it up. */
function mirrored(
  method: MethodInfo, { switchboard, copying }: NonNullable<Forwarding["mirror"]>, service: Service,
): Service {
  return (request, context) => {
    const answer = service(request, context);
    if (switchboard.isOn) copying.copy(method, request, context);
    return answer;
  };
}

function onward(context: Context, metadata: Metadata, own: MethodPolicy | undefined): Context {
  const limit = own?.timeoutMs === undefined ? Infinity : context.startedMs + own.timeoutMs;
  return context.with({
    deadline: Math.min(limit, onwardDeadline(context)), hops: context.hops + 1, metadata,
    // Ours are counted from 0, so that the first repeat goes elsewhere at once; what went before counts beside them.
    attempt: 0, priorAttempts: context.priorAttempts + context.attempt,
    onMetadata: (kind, reply) => passOn(context, kind, reply),
  });
}

/** What a gateway keeps of a call's time, in milliseconds, and at most which share of it: to say that it failed. */
const [reserveMs, reserveShare] = [1, 0.1];

/** Deadlines shrink at every hop. A server behind is told whole milliseconds, so less would not show there. */
function onwardDeadline({ deadline, startedMs }: Context): number {
  return deadline === Infinity ? deadline : deadline - Math.min(reserveMs, (deadline - startedMs) * reserveShare);
}

function withRule(context: Context, rule: RoutingRule): Metadata {
  return createMetadata({ ...context.metadata, [ruleMetadata]: rule.name });
}

/** A reply has one block of each kind, which passes as it is; of a further one, the entries are added. */
function passOn(context: Context, kind: "header" | "trailer", metadata: Metadata): void {
  const before = context.reply?.[kind];
  // Setting one entry makes the reply's metadata, which all of it then takes the place of.
  for (const name in metadata) {
    if (kind === "header") context.setHeader(name, metadata[name] as string);
    else context.setTrailer(name, metadata[name] as string);
    if (context.reply !== undefined) context.reply[kind] = before === undefined ? metadata : { ...before, ...metadata };
    return;
  }
}

/** Adds the trailer that says how long the answer took to come; of a stream, from its beginning to its end. */
function timed(clock: Clock, service: Service): Service {
  return (request, context) => {
    const startedMs = clock.now();
    const ended = (): void => {
      try {
        context.setTrailer(upstreamTrailer, (clock.now() - startedMs).toFixed(3));
      } catch {
        // The server's own trailer fills the block: that matters more.
      }
    };
    const answer = service(request, context);
    if (isPromise(answer)) {
      return answer.then((value) => {
        ended();
        return isItems(value) ? new TimedItems(value, ended) : value;
      }, (error: unknown) => {
        ended();
        throw error;
      });
    }
    return isItems(answer) ? new TimedItems(answer, ended) : answer;
  };
}

function isItems(answer: unknown): answer is AsyncIterable<unknown> {
  return typeof answer === "object" && answer !== null && Symbol.asyncIterator in answer;
}

/** Items handed through, and a word at their end. */
class TimedItems implements AsyncIterableIterator<unknown> {
  readonly #items: AsyncIterator<unknown>;
  readonly #ended: () => void;

  constructor(items: AsyncIterable<unknown>, ended: () => void) {
    this.#items = items[Symbol.asyncIterator]();
    this.#ended = ended;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<unknown>> {
    return this.#items.next().then((step) => {
      if (step.done === true) this.#ended();
      return step;
    }, (error: unknown) => {
      this.#ended();
      throw error;
    });
  }

  return(value?: unknown): Promise<IteratorResult<unknown>> {
    return this.#items.return?.(value) ?? Promise.resolve({ done: true, value });
  }
}
