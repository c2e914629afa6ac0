/** Requests of JSON-RPC 2.0, section 4, and what of a call goes beside them in the member `meridian`. */
import type { ContextFields } from "../../core/context.ts";
import { createMetadata } from "../../core/metadata.ts";
import { isString, type Members, memberValue, smallNumber, type Span } from "./message.ts";
import { type Id, invalid } from "./reply.ts";

export interface Request {
  readonly method: string;
  readonly params: Span | undefined;
  /** From its arrival. */
  readonly timeoutMs: number | undefined;
  /** Undefined where the request says no more than its deadline, as most do. */
  readonly fields: ContextFields | undefined;
}

/** What a caller may say of its call, beside the request. All of it may be left out. */
export interface CallWords {
  readonly timeoutMs?: number;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly idempotencyKey?: string;
  readonly routeKey?: string;
  readonly hops?: number;
  readonly attempt?: number;
  readonly priorAttempts?: number;
}

const maxMethodChars = 512;
const maxKeyChars = 256;

/** Reads a request, which `likely` calls this method. Throws `invalid_argument` for what is none. */
export function requestOf(bytes: Uint8Array, members: Members, likely: string): Request {
  if (!isString(bytes, members.jsonrpc, "2.0") && memberValue(bytes, members.jsonrpc) !== "2.0") {
    throw invalid('a request has "jsonrpc": "2.0"');
  }
  const method = isString(bytes, members.method, likely) ? likely : memberValue(bytes, members.method);
  if (typeof method !== "string" || method.length > maxMethodChars) {
    throw invalid(`a request has a "method" of at most ${maxMethodChars} characters`);
  }
  const { params } = members;
  const first = params === undefined ? 0x7b : bytes[params.start];
  if (first !== 0x7b && first !== 0x5b) throw invalid('"params" is an object or an array');
  const timeoutMs = onlyTimeout(bytes, members.meridian);
  if (timeoutMs > 0) return { method, params, timeoutMs, fields: undefined };
  const words = wordsOf(memberValue(bytes, members.meridian));
  return { method, params, timeoutMs: words.timeoutMs, fields: words.fields };
}

/** An id, or undefined for a notification, which has none. */
export function idOf(value: unknown): Id | undefined {
  if (value === undefined || value === null || typeof value === "string" || typeof value === "number") return value;
  throw invalid('"id" is a string, a number or null');
}

const timeoutOnly = new TextEncoder().encode('{"timeoutMs":');

/** The milliseconds of `{"timeoutMs":5000}`, as our clients write it; 0 for whatever is not just that. */
function onlyTimeout(bytes: Uint8Array, span: Span | undefined): number {
  if (span === undefined || span.end - span.start <= timeoutOnly.length + 1) return 0;
  for (let i = 0; i < timeoutOnly.length; i++) if (bytes[span.start + i] !== timeoutOnly[i]) return 0;
  if (bytes[span.end - 1] !== 0x7d) return 0;
  return Math.max(0, smallNumber(bytes, span.start + timeoutOnly.length, span.end - 1));
}

function wordsOf(value: unknown): Pick<Request, "timeoutMs" | "fields"> {
  if (value === undefined) return { timeoutMs: undefined, fields: undefined };
  if (typeof value !== "object" || value === null) throw invalid('"meridian" is an object');
  const words = value as { readonly [Name in keyof CallWords]: unknown };
  const { timeoutMs, metadata } = words;
  if (timeoutMs !== undefined && !(typeof timeoutMs === "number" && timeoutMs > 0)) {
    throw invalid('"meridian.timeoutMs" is a number of milliseconds above 0');
  }
  if (metadata !== undefined && (typeof metadata !== "object" || metadata === null)) {
    throw invalid('"meridian.metadata" is an object of strings');
  }
  return {
    timeoutMs,
    fields: {
      ...(metadata === undefined ? undefined : { metadata: createMetadata(metadata as Record<string, string>) }),
      idempotencyKey: keyOf(words.idempotencyKey), routeKey: keyOf(words.routeKey),
      hops: countOf(words.hops), attempt: countOf(words.attempt), priorAttempts: countOf(words.priorAttempts),
    },
  };
}

function keyOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value.slice(0, maxKeyChars) : undefined;
}

function countOf(value: unknown): number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 ? Math.min(value, 1_000_000) : 0;
}
