/**
 * What an error of our own says beyond its code, which no dialect has a place for: that the call certainly never
 * reached a handler, and whether another attempt may succeed where the code does not tell.
 */
import type { RpcError, RpcErrorOptions } from "../core/error.ts";
import type { Metadata } from "../core/metadata.ts";

/** `1`: no handler saw the call, so that any method may be repeated. */
export const neverStartedHeader = "meridian-never-started";
/** `1` or `0`, where it is not what the code and the mark above say. */
export const retryableHeader = "meridian-retryable";

/** Adds the marks of `error` to the fields that it travels in. */
export function writeErrorMarks(fields: Record<string, string>, error: RpcError): void {
  if (error.neverStarted) fields[neverStartedHeader] = "1";
  const implied = error.code === "unavailable" || error.neverStarted;
  if (error.retryable !== implied) fields[retryableHeader] = error.retryable ? "1" : "0";
}

export function readErrorMarks(fields: Metadata): Pick<RpcErrorOptions, "neverStarted" | "retryable"> {
  const retryable = fields[retryableHeader];
  return {
    neverStarted: fields[neverStartedHeader] === "1",
    retryable: retryable === undefined ? undefined : retryable === "1",
  };
}
