/** A Probe asks one server whether it is there, when no traffic tells. */
import type { EndpointAddress } from "./endpoint.ts";

/**
 * Resolves if the server answered as it should within `timeoutMs`; rejects with an `RpcError` that says what it did
 * instead. Makes a connection of its own, and leaves none behind.
 */
export type Probe = (endpoint: EndpointAddress, timeoutMs: number) => Promise<void>;
