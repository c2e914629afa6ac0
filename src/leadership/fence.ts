/**
 * A Fence stands before what only a leader may change, and refuses tokens that are smaller than one it has seen.
 *
 * A lease alone cannot keep an old leader's write from arriving late: it may have been under way while its sender was
 * stopped, or its clock was wrong. The store has to help, by comparing (Chubby's sequencers: Burrows, OSDI 2006).
 */
import { RpcError } from "../core/error.ts";

export interface Fence {
  /** The greatest token seen; 0 at first. */
  readonly highest: bigint;
  /** Remembers a token; returns whether it was not smaller than any before. */
  admits(token: bigint): boolean;
  /** The same, but throws `failed_precondition` with the reason `StaleToken` for one that is too small. */
  require(token: bigint): void;
}

/**
 * Makes a fence. `highest` is the greatest token that what it guards has seen in a former life: a store that outlives
 * its process keeps it with the data, in the same transaction.
 */
export function createFence(highest = 0n): Fence {
  let most = highest;
  const admits = (token: bigint): boolean => {
    if (token < most) return false;
    most = token;
    return true;
  };
  return {
    get highest() {
      return most;
    },
    admits,
    require(token) {
      if (!admits(token)) throw staleToken(token, most);
    },
  };
}

/** What a store that keeps the greatest token itself calls before it writes; returns what it has to keep. */
export function requireToken(token: bigint, highest: bigint): bigint {
  if (token < highest) throw staleToken(token, highest);
  return token;
}

function staleToken(token: bigint, highest: bigint): RpcError {
  return new RpcError("failed_precondition",
    `the fencing token ${token} is of a former leader: ${highest} has been here since`,
    { reason: "StaleToken", retryable: false });
}
