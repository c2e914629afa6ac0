/** Trace context between metadata and OpenTelemetry's contexts; a call that nobody records costs no span. */
import {
  type Baggage, type Context as OtelContext, context as active, createTraceState, isSpanContextValid, propagation,
  ROOT_CONTEXT, type SpanContext, trace, TraceFlags,
} from "@opentelemetry/api";
import type { Metadata } from "../../core/metadata.ts";
import type { Random } from "../../core/runtime.ts";
import { readTraceparent, traceNames, writeTraceparent } from "../../core/trace-context.ts";

/** Most entries and characters of baggage (W3C Baggage, section 3.3). */
const [maxBaggageEntries, maxBaggageChars] = [64, 8_192];

/** Whether a `traceparent` says that nobody records: read of its last digit alone, since most calls have one such. */
export function isUnsampled(parent: string): boolean {
  const last = parent.charCodeAt(54);
  // An even hexadecimal digit: 0 2 4 6 8 a c e.
  return parent.length === 55 && (last < 58 ? (last & 1) === 0 : (last & 1) === 1);
}

/** What came with a call, as OpenTelemetry knows it. */
export function remoteContext(metadata: Metadata, base: OtelContext): OtelContext {
  const mark = readTraceparent(metadata[traceNames.parent]);
  let context = base;
  if (mark !== undefined) {
    const state = metadata[traceNames.state];
    context = trace.setSpanContext(context, {
      traceId: mark.traceId, spanId: mark.spanId, isRemote: true,
      traceFlags: mark.isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
      ...(state === undefined ? undefined : { traceState: createTraceState(state) }),
    });
  }
  const baggage = metadata[traceNames.baggage];
  return baggage === undefined ? context : propagation.setBaggage(context, readBaggage(baggage));
}

/** The same metadata, of another span. */
export function withSpan(metadata: Metadata, span: SpanContext): Metadata {
  const copy = Object.assign(Object.create(null) as Record<string, string>, metadata);
  copy[traceNames.parent] = writeTraceparent({
    traceId: span.traceId, spanId: span.spanId, isSampled: (span.traceFlags & TraceFlags.SAMPLED) !== 0,
  });
  const state = span.traceState?.serialize();
  if (state !== undefined && state !== "") copy[traceNames.state] = state;
  const baggage = copy[traceNames.baggage] === undefined ? activeBaggage() : undefined;
  if (baggage !== undefined) copy[traceNames.baggage] = baggage;
  return copy;
}

/** Metadata of a call that begins a trace which nobody records: those who are called do not begin another. */
export function unrecorded(metadata: Metadata, random: Random): Metadata {
  const copy = Object.assign(Object.create(null) as Record<string, string>, metadata);
  const id = random.id();
  copy[traceNames.parent] = `00-${id}-${id.slice(0, 15)}1-00`;
  return copy;
}

/** The span that this code runs under, by the context manager that the application has set up. */
export function activeSpan(): SpanContext | undefined {
  const span = trace.getSpanContext(active.active());
  return span !== undefined && isSpanContextValid(span) ? span : undefined;
}

/** The active context, without a span of its own: what else the application keeps there stays. */
export function base(): OtelContext {
  const now = active.active();
  return now === ROOT_CONTEXT ? now : trace.deleteSpan(now);
}

function activeBaggage(): string | undefined {
  const baggage = propagation.getActiveBaggage();
  return baggage === undefined ? undefined : writeBaggage(baggage);
}

export function writeBaggage(baggage: Baggage): string | undefined {
  let text = "";
  for (const [name, { value, metadata }] of baggage.getAllEntries().slice(0, maxBaggageEntries)) {
    const more = metadata === undefined ? "" : metadata.toString();
    const entry = `${encodeURIComponent(name)}=${encodeURIComponent(value)}${more === "" ? "" : `;${more}`}`;
    if (text.length + entry.length >= maxBaggageChars) break;
    text += text === "" ? entry : `,${entry}`;
  }
  return text === "" ? undefined : text;
}

/** Entries that cannot be read are left out. */
export function readBaggage(text: string): Baggage {
  const entries: Record<string, { value: string }> = Object.create(null) as Record<string, { value: string }>;
  for (const part of text.slice(0, maxBaggageChars).split(",").slice(0, maxBaggageEntries)) {
    const [pair = ""] = part.split(";", 1);
    const equals = pair.indexOf("=");
    if (equals < 1) continue;
    try {
      entries[decodeURIComponent(pair.slice(0, equals).trim())] =
        { value: decodeURIComponent(pair.slice(equals + 1).trim()) };
    } catch {
      continue;
    }
  }
  return propagation.createBaggage(entries);
}
