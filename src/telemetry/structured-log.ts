/**
 * `structuredLog` tells what an observer hears to a logger of the application's (pino, or any with the same four
 * methods): structured lines with the trace of the call, and an access log of one line for each call handled.
 */
import type { Context } from "../core/context.ts";
import { describeEndpoint } from "../core/endpoint.ts";
import type { RpcError } from "../core/error.ts";
import { anonymous } from "../core/identity.ts";
import type { Observer } from "../core/observer.ts";
import { numberOption } from "../core/option.ts";
import { redact, type RedactionOptions } from "../core/redact.ts";
import type { Random } from "../core/runtime.ts";
import { traceMark } from "../core/trace-context.ts";

/** A line's level, as pino and its kin have it: fields first, then what happened. A pino logger is one. */
export interface StructuredLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface StructuredLogOptions {
  /** Share of the calls that went well which get a line, 0 to 1; those that failed always do. Default 0. */
  readonly ratio?: number | undefined;
  /** Where chance comes from, for a `ratio` between 0 and 1: `runtime.random`. */
  readonly random?: Pick<Random, "next"> | undefined;
  /** Calls that took at least so long get a line, whatever their end. Default Infinity. */
  readonly slowMs?: number | undefined;
  /** Whether attempts that failed get a line. Default true. */
  readonly attempts?: boolean | undefined;
  /** What is hidden beside what usually is: see `redact` of `meridian-rpc/security`. */
  readonly redaction?: RedactionOptions | undefined;
}

/** Events that are a fault of somebody's: the others are told as `info`. */
const faults = /failed|lost|refused|damaged|empty|fenced|skipped|expired/;

/**
 * The observer. Levels: `error` for calls that failed by a server's fault, `warn` for other failures and for events of
 * faults, `info` for calls and events, `debug` for changes of endpoints.
 *
 * @example
 * structuredLog(pino(), { ratio: 0.01, random: runtime.random })
 */
export function structuredLog(logger: StructuredLogger, options: StructuredLogOptions = {}): Observer {
  const { slowMs = Infinity, attempts = true, random } = options;
  const ratio = numberOption("ratio", options.ratio ?? 0, { least: 0, most: 1 });
  if (ratio > 0 && ratio < 1) numberOption("random.next()", random?.next() ?? -1, { least: 0, most: 1 });
  const redaction = redact(options.redaction);
  const isWanted = (latencyMs: number, error: RpcError | undefined): boolean =>
    error !== undefined || latencyMs >= slowMs || ratio === 1 || (ratio > 0 && (random as Random).next() < ratio);
  const told = (error: RpcError | undefined): Record<string, unknown> => (error === undefined ? {} : {
    message: redaction.text(error.message), phase: error.phase, reason: error.reason, region: error.region,
  });
  const write = (what: string, fields: Record<string, unknown>, error: RpcError | undefined): void => {
    if (error === undefined) logger.info(fields, what);
    else if (serverFaults.has(error.code)) logger.error(fields, what);
    else logger.warn(fields, what);
  };
  return {
    callEnded(context, latencyMs, error) {
      if (isWanted(latencyMs, error)) write("call", { ...fieldsOf(context, latencyMs, error), ...told(error) }, error);
    },
    handled(context, latencyMs, error) {
      if (!isWanted(latencyMs, error)) return;
      write("handled", { ...fieldsOf(context, latencyMs, error), ...callerOf(context), ...told(error) }, error);
    },
    attemptEnded(context, endpoint, latencyMs, error) {
      if (error === undefined || !attempts) return;
      logger.warn({
        ...fieldsOf(context, latencyMs, error), endpoint: describeEndpoint(endpoint), attempt: context.attempt,
        hedged: context.hedged, ...told(error),
      }, "attempt");
    },
    endpointChanged: (endpoint, status, why) =>
      logger.debug({ endpoint: describeEndpoint(endpoint), status, why: redaction.text(why) }, "endpoint"),
    event(name, fields) {
      const shown = redaction.value(fields) as object;
      if (faults.test(name)) logger.warn(shown, name);
      else logger.info(shown, name);
    },
  };
}

const serverFaults: ReadonlySet<string> =
  new Set(["unknown", "deadline_exceeded", "unimplemented", "internal", "unavailable", "data_loss"]);

function fieldsOf(context: Context, latencyMs: number, error: RpcError | undefined): Record<string, unknown> {
  const mark = traceMark(context);
  const fields: Record<string, unknown> = {
    method: context.method.path, code: error?.code ?? "ok", duration_ms: Math.round(latencyMs * 1_000) / 1_000,
  };
  if (context.idempotencyKey !== undefined) fields["call_id"] = context.idempotencyKey;
  if (mark !== undefined) {
    fields["trace_id"] = mark.traceId;
    fields["span_id"] = mark.spanId;
    fields["trace_sampled"] = mark.isSampled;
  }
  return fields;
}

/** Who called: where from, and as whom, where that is known. */
function callerOf({ peer, identity }: Context): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  if (peer !== undefined) fields["peer"] = peer.address;
  if (identity !== undefined && identity !== anonymous) fields["identity"] = `${identity.kind}:${identity.name}`;
  return fields;
}
