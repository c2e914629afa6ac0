/**
 * Trace context says to which trace a call belongs: `traceparent`, `tracestate` and `baggage` in its metadata, as the
 * W3C recommendations write them (https://www.w3.org/TR/trace-context/, https://www.w3.org/TR/baggage/).
 *
 * It is metadata like any other, so it passes every wire that carries metadata, and every gateway; a call that is made
 * for another one (`{ context }`) inherits it. Nothing of that needs a tracer.
 */
import type { Context } from "./context.ts";

/** Where a call stands in a trace. */
export interface TraceMark {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits: of our span where we have one, of the caller's otherwise. */
  readonly spanId: string;
  /** Whether somebody records it. */
  readonly isSampled: boolean;
}

/** The names of trace context in metadata. */
export const traceNames = { parent: "traceparent", state: "tracestate", baggage: "baggage" } as const;

const form = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:$|-)/;
const length = 55;

/** What a `traceparent` says; undefined for one that is damaged, which is as good as none. */
export function readTraceparent(text: string | undefined): TraceMark | undefined {
  if (text === undefined || text.length < length) return undefined;
  const [, version, traceId, spanId, flags] = form.exec(text) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  if (version === "00" && text.length !== length) return undefined;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** A `traceparent` of version 00. */
export function writeTraceparent({ traceId, spanId, isSampled }: TraceMark): string {
  return `00-${traceId}-${spanId}-${isSampled ? "01" : "00"}`;
}

/** Where a call stands: by our span of it, or by what came with it. Undefined for one of no trace. */
export function traceMark(context: Context): TraceMark | undefined {
  return context.span ?? readTraceparent(context.metadata[traceNames.parent]);
}

/** What a call made on behalf of `parent` inherits of trace context; undefined where there is none. */
export function inheritedTrace({ metadata }: Context): Record<string, string> | undefined {
  const parent = metadata[traceNames.parent];
  const baggage = metadata[traceNames.baggage];
  if (parent === undefined && baggage === undefined) return undefined;
  const entries: Record<string, string> = {};
  if (parent !== undefined) entries[traceNames.parent] = parent;
  const state = metadata[traceNames.state];
  if (parent !== undefined && state !== undefined) entries[traceNames.state] = state;
  if (baggage !== undefined) entries[traceNames.baggage] = baggage;
  return entries;
}
