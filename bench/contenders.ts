// Who is measured: what Node users call services with, the ceilings of the platform, and ourselves.
import type { Contender } from "./harness/compare.ts";

export const peers = ["grpc-js", "thrift", "moleculer", "rpc-websockets", "avsc"];
/** No RPC library: what is left of the time when there is nothing but batching, and then a codec and promises. */
export const ceilings = ["raw-echo", "raw-codec"];
/** `meridian` is what users get; `meridian-bare` has the layers of its default stack removed, to show their cost. */
export const ours = ["meridian", "meridian-bare"];

/** Contenders that call their server directly. */
export function direct(names: readonly string[]): Contender[] {
  return names.map((name) => ({ name, system: name }));
}
