/**
 * OpenTelemetry: calls as traces and metrics by its RPC conventions, through the tracer and the meter of the
 * application's own SDK. The one place that needs `@opentelemetry/api`, an optional peer.
 */
import { type Meter, metrics, trace, type Tracer } from "@opentelemetry/api";
import { observeAll, type Observer } from "../../core/observer.ts";
import { badOption, numberOption } from "../../core/option.ts";
import { redact } from "../../core/redact.ts";
import type { Runtime } from "../../core/runtime.ts";
import type { LayerMaker, Stack } from "../../core/service.ts";
import { attemptSpans, callSpans, serverSpans, type Tracing } from "./layers.ts";
import { meterObserver } from "./meter.ts";
import { attemptEnded } from "./spans.ts";

export interface OpenTelemetryOptions {
  /** Default: that of the global provider, `trace.getTracer("meridian-rpc")`. `false` for no traces. */
  readonly tracer?: Tracer | false | undefined;
  /** Default: that of the global provider, `metrics.getMeter("meridian-rpc")`. `false` for no metrics. */
  readonly meter?: Meter | false | undefined;
  /**
   * Share of calls that belong to no trace yet which begin one, 0 to 1; the others cost a draw. What came with a call
   * is obeyed whatever this says. Default 1: all, as far as the SDK's own sampler takes them.
   */
  readonly ratio?: number | undefined;
  /**
   * Whether calls that `ratio` leaves out are marked as such, so that nobody further on begins a trace of them by his
   * own ratio. A mark is metadata, which costs more than all else of a small call. Default false.
   */
  readonly marks?: boolean | undefined;
}

/** What of the options of a client matters here. */
interface Calling {
  readonly observer?: Observer | undefined;
  readonly stack?: ((defaults: Stack) => Stack) | undefined;
}

/** What of the options of a server matters here. */
interface Serving {
  readonly observer?: Observer | undefined;
  readonly tracing?: LayerMaker | undefined;
}

interface Forwarding extends Serving {
  readonly client?: Calling | undefined;
  readonly clientFor?: ((service: string) => Calling | undefined) | undefined;
}

export interface OpenTelemetry {
  /** Adds spans and metrics to the options of a client, beside what they have. */
  client<Options extends object>(options: Options & Calling): Options;
  /** To those of a server. */
  server<Options extends object>(options: Options & Serving): Options;
  /** To those of a gateway: a span of its own between its caller's and the server's. */
  gateway<Options extends object>(options: Options & Forwarding): Options;
  /** What fills the instruments and ends spans of attempts; it is part of all of these. */
  readonly observer: Observer;
}

/** Makes it, for any number of clients, servers and gateways. Set the SDK up before. */
export function openTelemetry(
  runtime: Pick<Runtime, "random">, options: OpenTelemetryOptions = {},
): OpenTelemetry {
  const { tracer = trace.getTracer("meridian-rpc"), meter = metrics.getMeter("meridian-rpc") } = options;
  const ratio = numberOption("ratio", options.ratio ?? 1, { least: 0, most: 1 });
  if (tracer === false && meter === false) {
    throw badOption("meter", false, "with `tracer: false` too nothing is left to do: leave openTelemetry out");
  }
  const redaction = redact();
  const text = (message: string): string => redaction.text(message);
  const tracing: Tracing | undefined = tracer === false ? undefined : {
    tracer, random: runtime.random, ratio, marks: options.marks ?? false, text,
  };
  const observer = observeAll(
    meter === false ? undefined : meterObserver(meter),
    // After the meter, which a span's end does not matter to.
    tracing && {
      attemptEnded: (context, endpoint, tookMs, error) => attemptEnded(context, endpoint, tookMs, error, text),
    },
  );
  const stackOf = (given: Calling["stack"]) => (defaults: Stack): Stack => {
    const stack = given?.(defaults) ?? defaults;
    return tracing === undefined ? stack : { trace: callSpans(tracing), ...stack, attempts: attemptSpans(tracing) };
  };
  const observed = (given: Observer | undefined): Observer => observeAll(given, observer);
  const served = <Options extends object>(given: Options & Serving): Options => ({
    ...given, observer: observed(given.observer),
    ...(tracing === undefined ? undefined : { tracing: () => serverSpans(tracing) }),
  });
  return {
    observer,
    client: (given) => ({ ...given, observer: observed(given.observer), stack: stackOf(given.stack) }),
    server: served,
    gateway(given) {
      const { client, clientFor } = given;
      return {
        ...served(given),
        client: {
          ...client, stack: stackOf(client?.stack),
          ...(client?.observer === undefined ? undefined : { observer: observed(client.observer) }),
        },
        ...(clientFor === undefined ? undefined : {
          clientFor: (service: string) => {
            const own = clientFor(service);
            return own?.stack === undefined ? own : { ...own, stack: stackOf(own.stack) };
          },
        }),
      };
    },
  };
}
