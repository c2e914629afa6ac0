/** The layers that record calls: two of a client, around a call and around each further attempt, one of a server. */
import {
  context as active, isSpanContextValid, type Span, type SpanContext, SpanKind, trace, TraceFlags, type Tracer,
} from "@opentelemetry/api";
import type { Context } from "../../core/context.ts";
import { RpcError } from "../../core/error.ts";
import type { Metadata } from "../../core/metadata.ts";
import type { MethodInfo } from "../../core/method.ts";
import type { Random } from "../../core/runtime.ts";
import { isAttempts, type Layer, makesAttempts, type Service } from "../../core/service.ts";
import { readTraceparent, traceNames } from "../../core/trace-context.ts";
import { ending } from "./ending.ts";
import { activeSpan, base, isUnsampled, remoteContext, unrecorded, withSpan } from "./propagation.ts";
import { AttemptSpan, CallSpan, endSpan, ServerSpan, systemName } from "./spans.ts";

export interface Tracing {
  readonly tracer: Tracer;
  readonly random: Random;
  /** Share of calls that belong to no trace yet which begin one that is recorded. */
  readonly ratio: number;
  /** Whether the others are marked, so that nobody further on begins a trace of them. */
  readonly marks: boolean;
  /** Takes credentials out of messages of errors. */
  readonly text: (message: string) => string;
}

/** Outermost of a client: one span a call, which its first attempt shares. */
export function callSpans(tracing: Tracing): Layer {
  const { random, ratio, marks, text } = tracing;
  const managed = contextsAreManaged();
  return (next) => (request, context) => {
    const { metadata } = context;
    const parent = sampledParent(metadata);
    if (parent === unsampledParent) return next(request, context);
    const around = parent === undefined && managed() ? activeSpan() : undefined;
    if (around !== undefined && (around.traceFlags & TraceFlags.SAMPLED) === 0) {
      return next(request, context.with({ metadata: withSpan(metadata, around) }));
    }
    if (parent === undefined && around === undefined && (ratio === 0 || (ratio < 1 && random.next() >= ratio))) {
      return next(request, marks ? context.with({ metadata: unrecorded(metadata, random) }) : context);
    }
    const span = begin(tracing, context, SpanKind.CLIENT);
    if (!span.isRecording()) return next(request, passed(context, span.spanContext()));
    const call = new CallSpan(span);
    return recorded(next, request, context.with({ span: call, metadata: withSpan(metadata, span.spanContext()) }),
      (error) => endSpan(span, error, false, text));
  };
}

/** Innermost of a client: repeats and hedges have spans of their own, each linked to the attempt before. */
export function attemptSpans({ tracer, text }: Tracing): Layer {
  return (next) => {
    const service: Service = (request, context) => {
      const call = context.span;
      if (!(call instanceof CallSpan) || (context.attempt === 0 && !context.hedged)) return next(request, context);
      const { method, hedged, attempt } = context;
      const kind = hedged ? "hedge" : "retry";
      const why = hedged ? "the attempt before was late" : `after ${call.failure || "a failure before any server"}`;
      const span = tracer.startSpan(method.path, {
        kind: SpanKind.CLIENT,
        attributes: {
          ...methodAttributes(method), "meridian.attempt": attempt, "meridian.attempt.kind": kind, "meridian.why": why,
        },
        links: [{ context: call.previous, attributes: { "meridian.link": kind } }],
      }, trace.setSpan(base(), call.span));
      const about = span.spanContext();
      call.previous = about;
      const metadata = withSpan(context.metadata, about);
      return recorded(next, request, context.with({ metadata, span: new AttemptSpan(span, call) }),
        (error) => endSpan(span, error, false, text));
    };
    // Of a call that is not recorded, and of first attempts, nothing is added.
    return isAttempts(next) ? makesAttempts(service) : service;
  };
}

/** Of a server, or of a gateway: one span a call, under which its handler runs. */
export function serverSpans(tracing: Tracing): Layer {
  const { random, ratio, marks, text } = tracing;
  const managed = contextsAreManaged();
  return (next) => (request, context) => {
    const { metadata } = context;
    const parent = sampledParent(metadata);
    if (parent === unsampledParent) {
      return managed() ? active.with(remoteContext(metadata, base()), () => next(request, context))
        : next(request, context);
    }
    if (parent === undefined && (ratio === 0 || (ratio < 1 && random.next() >= ratio))) {
      if (!marks) return next(request, context);
      return unsampled(next, request, context.with({ metadata: unrecorded(metadata, random) }), managed);
    }
    const span = begin(tracing, context, SpanKind.SERVER);
    if (!span.isRecording()) return unsampled(next, request, passed(context, span.spanContext()), managed);
    const mark = new ServerSpan(span);
    // Who hears of the call's end is given the context that it came with.
    context.span = mark;
    const inner = context.with({ metadata: withSpan(metadata, span.spanContext()), span: mark });
    const ended = (error: RpcError | undefined): void => endSpan(span, error, true, text);
    if (!managed()) return recorded(next, request, inner, ended);
    return active.with(trace.setSpan(remoteContext(metadata, base()), span), () =>
      recorded(next, request, inner, ended));
  };
}

/** What `sampledParent` says of a trace that nobody records. */
const unsampledParent = "";

/** What came with a call: undefined for nothing, which a damaged `traceparent` is as good as. */
function sampledParent(metadata: Metadata): string | undefined {
  const parent = metadata[traceNames.parent];
  if (parent === undefined) return undefined;
  if (isUnsampled(parent)) return unsampledParent;
  const mark = readTraceparent(parent);
  return mark === undefined ? undefined : mark.isSampled ? parent : unsampledParent;
}

function unsampled(next: Service, request: unknown, context: Context, managed: () => boolean): unknown {
  if (!managed()) return next(request, context);
  return active.with(remoteContext(context.metadata, base()), () => next(request, context));
}

function begin({ tracer }: Tracing, context: Context, kind: SpanKind): Span {
  const { method, metadata, peer } = context;
  const attributes = methodAttributes(method);
  if (kind === SpanKind.SERVER && peer !== undefined) attributes["network.peer.address"] = hostOf(peer.address);
  const around = sampledParent(metadata) === undefined && kind === SpanKind.CLIENT ? active.active()
    : remoteContext(metadata, base());
  return tracer.startSpan(method.path, { kind, attributes }, around);
}

function methodAttributes({ path }: MethodInfo): Record<string, string | number> {
  return { "rpc.system.name": systemName, "rpc.method": path };
}

function hostOf(address: string): string {
  const colon = address.lastIndexOf(":");
  return colon < 1 || address.startsWith("unix:") ? address : address.slice(0, colon).replace(/^\[|\]$/g, "");
}

/** A tracer that does not record says so to those who are called; where there is none, what came goes on as it is. */
function passed(context: Context, span: SpanContext): Context {
  if (!isSpanContextValid(span)) return context;
  return context.with({ metadata: withSpan(context.metadata, span) });
}

function recorded(
  next: Service, request: unknown, context: Context, ended: (error: RpcError | undefined) => void,
): unknown {
  let answer: unknown;
  try {
    answer = next(request, context);
  } catch (error) {
    ended(RpcError.from(error));
    throw error;
  }
  return ending(answer, (error) => ended(error === undefined ? undefined : RpcError.from(error)));
}

/** Calls until it is asked once more whether the application has set up a context manager. */
const askEvery = 1_024;

/** Whether contexts can be made active at all: without a manager there is no sense in trying at each call. */
function contextsAreManaged(): () => boolean {
  let isManaged = false;
  let untilAsked = 0;
  return () => {
    if (isManaged) return true;
    if (untilAsked-- > 0) return false;
    untilAsked = askEvery;
    const probe = base().setValue(probeKey, true);
    isManaged = active.with(probe, () => active.active() === probe);
    return isManaged;
  };
}

const probeKey = Symbol("meridian probe");
