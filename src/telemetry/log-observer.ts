/** `logObserver` writes one line of JSON for each thing that happened. */
import type { Context } from "../core/context.ts";
import { describeEndpoint } from "../core/endpoint.ts";
import type { RpcError } from "../core/error.ts";
import type { Observer } from "../core/observer.ts";
import { redact, type Redaction } from "../core/redact.ts";

export interface LogOptions {
  /** Gives the time of a line in milliseconds since 1970, e.g. `() => runtime.clock.wallMs()`. Default: no time. */
  readonly wallMs?: () => number;
  /** Which calls and handled calls get a line. Default `failed`. */
  readonly calls?: "all" | "failed" | "none";
  /** Which attempts get a line. Default `failed`. */
  readonly attempts?: "all" | "failed" | "none";
  /** Calls and attempts that took at least so long get a line, whatever their end. Default Infinity. */
  readonly slowMs?: number;
  /**
   * What never stands in a line: values under names of secrets, credentials within texts. Default: `redact()`. `false`
   * writes everything.
   */
  readonly redaction?: Redaction | false | undefined;
  /** Longest line in characters; one that is longer loses its details. Default 8,192. */
  readonly maxLineLength?: number;
}

/**
 * Lines have `time`, `event` (`call`, `attempt`, `handled`, `endpoint` or the name of an event) and the fields
 * that belong to it. `write` gets each without a line break.
 *
 * @example
 * logObserver((line) => process.stderr.write(`${line}\n`), { wallMs: () => runtime.clock.wallMs() })
 */
export function logObserver(write: (line: string) => void, options: LogOptions = {}): Observer {
  const { wallMs, calls = "failed", attempts = "failed", slowMs = Infinity, maxLineLength = 8_192 } = options;
  const redaction = options.redaction ?? redact();
  const line = (event: string, fields: Readonly<Record<string, unknown>>): void => {
    const head = wallMs === undefined ? { event } : { time: new Date(wallMs()).toISOString(), event };
    const shown = redaction === false ? fields : redaction.value(fields) as typeof fields;
    let text = textOf({ ...head, ...shown, ...head });
    if (text.length > maxLineLength) text = textOf({ ...head, cut: text.length });
    write(text);
  };
  const wanted = (which: "all" | "failed" | "none", latencyMs: number, error: RpcError | undefined): boolean =>
    which === "all" || (which === "failed" && error !== undefined) || latencyMs >= slowMs;
  return {
    callEnded(context, latencyMs, error) {
      if (wanted(calls, latencyMs, error)) line("call", ended(context, latencyMs, error));
    },
    attemptEnded(context, endpoint, latencyMs, error) {
      if (!wanted(attempts, latencyMs, error)) return;
      const { attempt } = context;
      line("attempt", { ...ended(context, latencyMs, error), endpoint: describeEndpoint(endpoint), attempt });
    },
    handled(context, latencyMs, error) {
      if (wanted(calls, latencyMs, error)) line("handled", ended(context, latencyMs, error));
    },
    endpointChanged: (endpoint, status, why) => line("endpoint", { endpoint: describeEndpoint(endpoint), status, why }),
    event: line,
  };
}

function ended(context: Context, latencyMs: number, error: RpcError | undefined): Record<string, unknown> {
  const fields: Record<string, unknown> = {
    method: context.method.path, code: error?.code ?? "ok", latencyMs: Math.round(latencyMs * 1000) / 1000,
  };
  if (error === undefined) return fields;
  const { message, phase, endpoint, region, reason, remote } = error;
  return { ...fields, message, phase, endpoint, region, reason, ...(remote ? { remote } : undefined) };
}

/** What a field holds is for others to choose, so whatever JSON has no word for is put as text. */
function textOf(fields: Readonly<Record<string, unknown>>): string {
  try {
    return JSON.stringify(fields, plainer);
  } catch (error) {
    return JSON.stringify({ event: fields["event"], unprintable: error instanceof Error ? error.message : "?" });
  }
}

function plainer(_key: string, value: unknown): unknown {
  if (typeof value === "bigint" || typeof value === "symbol") return String(value);
  if (value instanceof Map || value instanceof Set) return [...(value as Iterable<unknown>)];
  if (value instanceof Error) return value.message;
  return value;
}
