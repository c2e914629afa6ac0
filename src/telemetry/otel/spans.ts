/** Spans of calls and attempts, as contexts carry them and observers fill them in. */
import {
  type Attributes, type Span, type SpanContext, SpanStatusCode, TraceFlags,
} from "@opentelemetry/api";
import type { Context } from "../../core/context.ts";
import type { EndpointAddress } from "../../core/endpoint.ts";
import type { RpcError } from "../../core/error.ts";
import type { TraceMark } from "../../core/trace-context.ts";

/** A span of ours that is recorded. */
class Recorded implements TraceMark {
  readonly span: Span;
  readonly traceId: string;
  readonly spanId: string;
  readonly isSampled: boolean;

  constructor(span: Span) {
    this.span = span;
    const about = span.spanContext();
    this.traceId = about.traceId;
    this.spanId = about.spanId;
    this.isSampled = (about.traceFlags & TraceFlags.SAMPLED) !== 0;
  }
}

/** Of a call as a server handles it. */
export class ServerSpan extends Recorded {}

/** Of a call as its user sees it, with its first attempt; what comes after that has spans of its own. */
export class CallSpan extends Recorded {
  /** The attempt before, and how it ended: what the next is linked to. */
  previous: SpanContext;
  failure = "";

  constructor(span: Span) {
    super(span);
    this.previous = span.spanContext();
  }
}

/** Of a repeat or a hedge. */
export class AttemptSpan extends Recorded {
  readonly call: CallSpan;

  constructor(span: Span, call: CallSpan) {
    super(span);
    this.call = call;
  }
}

/** The system that RPC conventions know us by. */
export const systemName = "meridian";

/** How OpenTelemetry writes the end of a call: `OK`, or gRPC's code in capitals. */
export function statusOf(error: RpcError | undefined): string {
  return error === undefined ? "OK" : error.code.toUpperCase();
}

/** Codes that speak of a server's fault: others are the caller's own (as the conventions have it for gRPC). */
const serverFaults: ReadonlySet<string> =
  new Set(["unknown", "deadline_exceeded", "unimplemented", "internal", "unavailable", "data_loss"]);

/** Longest message that a span keeps of an error. */
const maxMessageChars = 500;

/** Ends a span, once. `text` takes out of an error's message what is nobody's business. */
export function endSpan(span: Span, error: RpcError | undefined, isServer: boolean, text: (message: string) => string) {
  if (!span.isRecording()) return;
  span.setAttribute("rpc.response.status_code", statusOf(error));
  if (error !== undefined) {
    span.setAttribute("error.type", statusOf(error));
    if (!isServer || serverFaults.has(error.code)) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: text(error.message).slice(0, maxMessageChars) });
    }
  }
  span.end();
}

/** `server.address` and `server.port` of an endpoint. */
export function serverAttributes({ address }: EndpointAddress): Attributes {
  const colon = address.lastIndexOf(":");
  const port = Number(address.slice(colon + 1));
  if (colon < 1 || !Number.isInteger(port) || address.startsWith("unix:")) return { "server.address": address };
  const host = address.slice(0, colon);
  return {
    "server.address": host.startsWith("[") ? host.slice(1, -1) : host, "server.port": port,
  };
}

/** An attempt ended: what is known of it now goes into its span, or stands as an event in that of its call. */
export function attemptEnded(
  context: Context, endpoint: EndpointAddress, latencyMs: number, error: RpcError | undefined,
  text: (message: string) => string,
): void {
  const { span: mark } = context;
  if (!(mark instanceof CallSpan) && !(mark instanceof AttemptSpan)) return;
  const { span } = mark;
  const call = mark instanceof CallSpan ? mark : mark.call;
  if (error !== undefined) call.failure = `${statusOf(error)} of ${endpoint.id}`;
  if (!span.isRecording()) return;
  const place: Attributes = { "meridian.endpoint": endpoint.id, "meridian.region": endpoint.region };
  if (endpoint.zone !== "") place["meridian.zone"] = endpoint.zone;
  if (mark instanceof AttemptSpan) {
    span.setAttributes({ ...serverAttributes(endpoint), ...place });
    endSpan(span, error, false, text);
    if (error === undefined) call.span.setAttributes({ ...serverAttributes(endpoint), ...place });
    return;
  }
  span.setAttributes({ ...serverAttributes(endpoint), ...place });
  span.addEvent("meridian.attempt", {
    ...place, "meridian.attempt": 0, "meridian.attempt.kind": "first", "meridian.why": whyOf(context),
    "rpc.response.status_code": statusOf(error), "meridian.duration_ms": latencyMs,
  });
}

function whyOf({ trace }: Context): string {
  return trace === undefined || trace.rule === "" ? "the picker's choice" : `rule ${trace.rule}`;
}
