/** An Identity is who a call is made by, once that has been proven. */
import type { Layer } from "./service.ts";
import type { CallGate } from "./gate.ts";
import type { MethodInfo } from "./method.ts";
import type { Observer } from "./observer.ts";
import type { Runtime } from "./runtime.ts";

export interface Identity {
  /** How it was proven: `mtls`, `jwt`, `apiKey`, `token`, or what an authenticator of the user's says. */
  readonly kind: string;
  /** Unique within its kind: a SPIFFE id, the subject of a token, the name of a key. */
  readonly name: string;
  /** Of a SPIFFE id; of a token, its issuer. */
  readonly trustDomain?: string | undefined;
  /** What else was proven of it. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** Where it calls from, where that is proven too. */
  readonly region?: string | undefined;
  /** When it ceases to be proven, in milliseconds since 1970. */
  readonly expiresAtMs?: number | undefined;
  /** The name of the trusted gateway that vouches for it; undefined where it called itself. */
  readonly via?: string | undefined;
}

/** Who called without showing anything. */
export const anonymous: Identity = Object.freeze({ kind: "anonymous", name: "", claims: Object.freeze({}) });

/**
 * A Guard decides which calls a server hears: first by what stands beside a message, before that is decoded, and then,
 * where the answer must be waited for, by a layer.
 */
export interface Guard {
  readonly layer: Layer;
  /** The gate of one method, in front of what admission has; made once for each. */
  gate(method: MethodInfo, admission: CallGate | undefined): CallGate;
  /** Frees what it watches. */
  close?(): void;
}

/** Makes a server's guard: `auth(...)` of `meridian-rpc/security`. */
export type GuardMaker = (runtime: Runtime, observer: Observer) => Guard;
