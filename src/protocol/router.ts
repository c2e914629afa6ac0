/** A Router finds what serves a method: the seam between protocols and the server that owns the handlers. */
import type { RpcError } from "../core/error.ts";
import type { CallGate } from "../core/gate.ts";
import type { LoadReport } from "../core/load.ts";
import type { CallKind, Criticality, Idempotency, MethodInfo } from "../core/method.ts";
import type { Observer } from "../core/observer.ts";
import type { Runtime } from "../core/runtime.ts";
import type { Service } from "../core/service.ts";
import type { MethodCoders } from "../contract/coders.ts";
import type { AnyContract } from "../contract/service.ts";

export interface Route {
  readonly method: MethodInfo;
  readonly coders: MethodCoders;
  /** Layers over the handler; takes and gives decoded values. */
  readonly service: Service;
  /** Asked before a request is decoded, while it is shut. */
  readonly gate?: CallGate | undefined;
}

/** What a caller says of a method before its first call. A gateway knows no more of it than this. */
export interface MethodShape {
  /** `service/method`; the method as its contract or its wire names it. */
  readonly path: string;
  /** Whether `path` has the method's name in its contract (the native wire), rather than that in `.proto`. */
  readonly namedByContract?: boolean;
  /**
   * Whether `path` is the name of a method alone, since the wire names no service (Thrift), or `Service/method` without
   * the service's package: the only one of that name is meant.
   */
  readonly isBare?: boolean;
  /**
   * Whether its wire handles values rather than the codec's bytes, since requests and replies are in other forms
   * (plain HTTP, JSON-RPC) or were written by another schema (Avro): a gateway then decodes.
   */
  readonly isDecoded?: boolean;
  /** Name of the codec of its messages. */
  readonly codec: string;
  /** Undefined where the wire does not tell (gRPC): only the contract knows. */
  readonly kind: CallKind | undefined;
  readonly idempotent: Idempotency;
  readonly criticality: Criticality;
}

/** The route of a method, or why there is none (unimplemented, wrong shape, unknown codec). */
export type Router = (shape: MethodShape) => Route | RpcError;

/** Calls being handled by one server over all its connections, and how many it takes on at most. */
export interface Admission {
  inFlight: number;
  readonly maxInFlight: number;
}

/** What a server lends to each of its protocols. */
export interface Serving {
  readonly runtime: Runtime;
  readonly router: Router;
  readonly admission: Admission;
  /** The gate of its routes, if they have one: it is told of the end of each call that it counts. */
  readonly gate?: CallGate | undefined;
  readonly observer: Observer;
  /** What it serves or forwards, as far as it knows: for wires whose peers are told (Avro). */
  readonly contracts?: (() => readonly AnyContract[]) | undefined;
  /**
   * The server's load, for piggy-backing on replies; undefined when it reports none. `leaving` calls of those in flight
   * are over as soon as it has left: the one whose reply bears it.
   */
  readonly load: (leaving?: number) => LoadReport | undefined;
}
