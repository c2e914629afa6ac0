/** Which contract a method is of: what a wire needs that tells its peers the whole contract (Avro's handshake). */
import type { MethodInfo } from "../core/method.ts";
import type { AnyContract } from "./service.ts";

const contracts = new WeakMap<MethodInfo, AnyContract>();

/** Remembers it; of a gateway's methods, that of the method which they stand for. */
export function belongsTo(method: MethodInfo, contract: AnyContract): void {
  contracts.set(method, contract);
}

/** The contract of a method; undefined where it was made without one. */
export function contractOf(method: MethodInfo): AnyContract | undefined {
  return contracts.get(method);
}
