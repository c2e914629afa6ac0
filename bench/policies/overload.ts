/** What a server's defences against overload cost a call that they let through, and one that they turn away. */
import type { Layer, RpcError, Service } from "../../src/core/index.ts";
import { endIsTold, gateOf } from "../../src/core/gate.ts";
import { admission, type AdmissionLayer, backPressure, fixedLimit, gradientLimit } from "../../src/overload/index.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import type { PolicyCase } from "../policies.ts";

const runtime = nodeRuntime;

/** Around a handler that answers at once instead of the frame's, which answers a turn later. */
function atOnce(layer: Layer): Layer {
  const handler: Service = (request, context) => {
    context.attemptEnded = true;
    return request;
  };
  return () => layer(handler);
}

const none: Layer = (next) => next;

/** The frame never lets the event loop turn, which is no overload here. */
const neverLate = { maxLoopLagMs: 100_000 };

/** Under a wire, which counts each call at its end and looks at the clock for it: it tells admission of the end. */
function counted(layer: Layer): Layer {
  const gate = gateOf(layer);
  const { clock } = runtime;
  return (next) => {
    const service = layer(next);
    return (request, context) => {
      if (gate !== undefined) context.atWork = endIsTold;
      return (service(request, context) as Promise<unknown>).then((answer) => {
        const nowMs = clock.now();
        if (context.atWork > 0) gate?.ended(context, nowMs, undefined);
        return answer;
      });
    };
  };
}

/** A server that is full for good: somebody has its one place, and nobody may wait. */
const full: () => Layer = () => {
  const layer = admission({ limit: () => fixedLimit(1), room: 1, line: false, levels: false })(runtime, {});
  const { state } = layer as AdmissionLayer;
  return (next) => {
    const service = layer((request, context) =>
      request === taken ? new Promise(() => undefined) : next(request, context));
    return (request, context) => {
      if (state.inFlight === 0) void service(taken, context);
      return (service(request, context) as Promise<unknown>).then(undefined, messageOf);
    };
  };
};
const taken = Symbol("taken");
const messageOf = (error: RpcError): string => error.message;

export const cases: readonly PolicyCase[] = [
  { name: "a wire that counts: without", side: "server", isDefault: false, layer: () => counted(none) },
  { name: "admission: its defaults", side: "server", isDefault: true, over: "a wire that counts: without",
    layer: () => counted(admission(neverLate)(runtime, {})) },
  { name: "admission: with gradientLimit", side: "server", isDefault: false,
    layer: () => admission({ limit: () => gradientLimit({ ceiling: 10_000, initial: 1_000 }) })(runtime, {}) },
  { name: "admission: with prices, while there is room", side: "server", isDefault: false,
    layer: () => admission({ backPressure: backPressure() })(runtime, {}) },
  { name: "a handler that answers at once: without", side: "server", isDefault: false, layer: () => atOnce(none) },
  { name: "a handler that answers at once: admission", side: "server", isDefault: true,
    over: "a handler that answers at once: without",
    layer: () => atOnce(admission(neverLate)(runtime, {})) },
  { name: "admission: a call turned away", side: "server", isDefault: false, layer: full },
];
