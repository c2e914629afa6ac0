/** A CallGate refuses calls before they are read: what a server asks before it decodes a request. */
import type { Context } from "./context.ts";
import type { RpcError } from "./error.ts";
import type { Layer } from "./service.ts";

export interface CallGate {
  /** Whether anybody is refused now: while false, nobody need ask. */
  readonly isShut: boolean;
  /** Set by who asks before it decodes: the layer behind the gate need not ask again. */
  isAsked: boolean;
  /** Why this call is refused, certain not to have started; undefined lets it in. Counts it either way. */
  refuse(context: Context): RpcError | undefined;
  /**
   * The handler of a call has ended, at `nowMs`, whose `atWork` is above 0: which whoever set it to {@link endIsTold}
   * before the call tells, once, in the place of a promise handler that each call would pay for.
   */
  ended(context: Context, nowMs: number, error: unknown): void;
}

/** `Context.atWork` of a call whose end its wire will tell the gate of its route. */
export const endIsTold = -1;

/** A layer some of whose refusals can be had before the request is decoded. */
export interface GatedLayer extends Layer {
  readonly gate: CallGate;
}

/** The gate of a layer that has one. */
export function gateOf(layer: Layer | undefined): CallGate | undefined {
  return layer !== undefined && "gate" in layer ? (layer as GatedLayer).gate : undefined;
}
