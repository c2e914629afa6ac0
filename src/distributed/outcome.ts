/** An Outcome is what became of one target of a gathering; a gathering that fails names each of them, and why. */
import { type Code, expected, RpcError } from "../core/index.ts";
import type { Place } from "./target.ts";

export interface Answer<T> {
  readonly target: Place;
  readonly value: T;
  /** From the beginning of this target's call, in milliseconds. */
  readonly latencyMs: number;
}

export interface Failure {
  readonly target: Place;
  readonly error: RpcError;
  readonly latencyMs: number;
}

/** What a gathering found: answers and failures, each in the order of the targets. */
export interface Gathered<T> {
  readonly answers: readonly Answer<T>[];
  readonly failures: readonly Failure[];
}

/** The `data` of the error that a gathering fails with. */
export interface GatherFailed {
  readonly failures: readonly Failure[];
  /** How many targets there were, and how many of them answered before it failed. */
  readonly targets: number;
  readonly answered: number;
}

const reason = "GatherFailed";
/** Most failures that a message spells out; `data` has all of them. */
const maxSpelled = 8;

/** Whether `error` is that of a gathering; narrows `error.data`. */
export function isGatherError(error: unknown): error is RpcError & { readonly data: GatherFailed } {
  return RpcError.is(error) && error.reason === reason;
}

/**
 * Makes one error of many: their code if they agree, else `unavailable` if another try may help, else that of the
 * first that no other try would help.
 */
export function gatherError(why: string, found: GatherFailed): RpcError {
  const { failures, answered } = found;
  const spelled = failures.slice(0, maxSpelled).map(({ target, error }) =>
    `${target.name}: ${error.code}: ${error.message}`);
  if (failures.length > maxSpelled) spelled.push(`and ${failures.length - maxSpelled} more`);
  const message = spelled.length === 0 ? why : `${why} (${spelled.join("; ")})`;
  const neverStarted = answered === 0 && failures.every(({ error }) => error.neverStarted);
  return expected(codeOf(failures), message, {
    reason, data: found, neverStarted, cause: failures[0]?.error,
    retryable: neverStarted || (failures.length > 0 && failures.every(({ error }) => error.retryable)),
  });
}

function codeOf(failures: readonly Failure[]): Code {
  const codes = new Set(failures.map(({ error }) => error.code));
  if (codes.size === 1) return [...codes][0] as Code;
  const final = failures.find(({ error }) => !error.retryable && error.code !== "deadline_exceeded");
  return final?.error.code ?? "unavailable";
}
