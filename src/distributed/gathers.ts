/** The kinds of gathering: all, the first, the first k, one after the other, and whatever comes by the deadline. */
import type { AnyContract } from "../contract/index.ts";
import { numberOption } from "../core/index.ts";
import {
  type Found, type Gathering, gathering, type GatherOptions, type Output, type Rule, type UnaryName,
} from "./gather.ts";
import type { Answer, Failure, Gathered } from "./outcome.ts";
import { eachEndpoint, type Governed, type Targets } from "./target.ts";

export interface AllOptions<S extends AnyContract, Name extends keyof S["methods"], R> extends GatherOptions<S, Name> {
  /** Failures that are borne; one more fails it at once and cancels the rest. Default 0. */
  readonly maxFailures?: number | undefined;
  /** Whether what has been found will do, asked when every target has answered or failed. Default: yes. */
  readonly require?: ((found: Gathered<Output<S, Name>>) => boolean) | undefined;
  /** Makes one result of the answers. Default: the answers as they are, in the order of the targets. */
  readonly merge?: ((answers: readonly Answer<Output<S, Name>>[], failures: readonly Failure[]) => R) | undefined;
}

/**
 * Asks every target, and answers when all have answered. Fails with the first failure beyond `maxFailures`, and then
 * cancels the others; the error names each target that failed and why ({@link isGatherError}).
 *
 * @example
 * const sizes = await all(eachShard(client), "size")({});
 */
export function all<
  S extends AnyContract, Name extends UnaryName<S>, R = readonly Answer<Output<S, Name>>[],
>(targets: Targets<S>, method: Name, options: AllOptions<S, Name, R> = {}): Gathering<S, Name, R> {
  const { require, merge } = options;
  const maxFailures = numberOption("maxFailures", options.maxFailures ?? 0,
    { least: 0, most: 100_000, whole: true, unit: "failures" });
  const rule: Rule<Output<S, Name>, R> = {
    judge: (found) => {
      if (found.failed > maxFailures) {
        return { failed: `${found.failed} of ${found.count} targets failed, at most ${maxFailures} may` };
      }
      if (found.answered + found.failed < found.count) return "wait";
      return require === undefined || require(gathered(found)) ? "done" : notEnough(found);
    },
    result: (found) => {
      const { answers, failures } = gathered(found);
      return merge === undefined ? answers as R : merge(answers, failures);
    },
  };
  return gathering(targets, method, options, () => rule);
}

/** Asks every target, answers with the first `k` answers, and cancels the rest. Fails once `k` cannot be had. */
export function first<S extends AnyContract, Name extends UnaryName<S>>(
  targets: Targets<S>, k: number, method: Name, options: GatherOptions<S, Name> = {},
): Gathering<S, Name, readonly Answer<Output<S, Name>>[]> {
  const rule = firstRule<Output<S, Name>>(k);
  return gathering(targets, method, options, () => rule);
}

/** Asks every target and answers what the first answers; the others are cancelled. Fails when all have failed. */
export function any<S extends AnyContract, Name extends UnaryName<S>>(
  targets: Targets<S>, method: Name, options: GatherOptions<S, Name> = {},
): Gathering<S, Name, Answer<Output<S, Name>>> {
  const rule: Rule<Output<S, Name>, Answer<Output<S, Name>>> = {
    ...firstRule<Output<S, Name>>(1),
    result: (found) => gathered(found).answers[0] as Answer<Output<S, Name>>,
  };
  return gathering(targets, method, options, () => rule);
}

/**
 * Asks one target, and when it fails the next, in the order of the list: brpc's SelectiveChannel. For targets that are
 * whole clusters or regions, each with its own choice of an endpoint.
 */
export function selective<S extends AnyContract, Name extends UnaryName<S>>(
  targets: Targets<S>, method: Name, options: Omit<GatherOptions<S, Name>, "concurrency"> = {},
): Gathering<S, Name, Answer<Output<S, Name>>> {
  return any(targets, method, { ...options, concurrency: 1 });
}

export interface BestEffortOptions<S extends AnyContract, Name extends keyof S["methods"]>
  extends GatherOptions<S, Name> {
  /** Answers without which it fails. Default 0. */
  readonly minAnswers?: number | undefined;
  /** Whether what has been found will do, asked at the end. Default: yes. */
  readonly require?: ((found: Gathered<Output<S, Name>>) => boolean) | undefined;
  /** So much before the deadline it answers with what there is, in milliseconds. Default 5. */
  readonly reserveMs?: number | undefined;
}

/**
 * Asks every target and answers what has come shortly before the deadline, or sooner if everything has: answers and
 * failures by target. Who has not answered by then is cancelled and counts as failed.
 */
export function bestEffort<S extends AnyContract, Name extends UnaryName<S>>(
  targets: Targets<S>, method: Name, options: BestEffortOptions<S, Name> = {},
): Gathering<S, Name, Gathered<Output<S, Name>>> {
  const { require } = options;
  const minAnswers = numberOption("minAnswers", options.minAnswers ?? 0, { least: 0, whole: true, unit: "answers" });
  const reserveMs = numberOption("reserveMs", options.reserveMs ?? 5, { least: 0, unit: "milliseconds" });
  const rule: Rule<Output<S, Name>, Gathered<Output<S, Name>>> = {
    reserveMs,
    judge: (found) => {
      if (found.count - found.failed < minAnswers) {
        return { failed: `${found.failed} of ${found.count} targets failed, ${minAnswers} answers are required` };
      }
      if (found.answered + found.failed < found.count) return "wait";
      return require === undefined || require(gathered(found)) ? "done" : notEnough(found);
    },
    result: gathered,
  };
  return gathering(targets, method, options, () => rule);
}

/** Calls every endpoint that discovery knows, whatever its status, and answers what became of each. */
export function broadcast<S extends AnyContract, Name extends UnaryName<S>>(
  client: Governed<S>, method: Name, options: BestEffortOptions<S, Name> = {},
): Gathering<S, Name, Gathered<Output<S, Name>>> {
  return bestEffort(eachEndpoint(client), method, options);
}

function firstRule<T>(k: number): Rule<T, readonly Answer<T>[]> {
  numberOption("k", k, { least: 1, most: 100_000, whole: true, unit: "answers" });
  return {
    refuse: (count) => (count < k ? `${k} answers are asked for, of ${count} targets` : undefined),
    judge: ({ answered, failed, count }) => {
      if (answered >= k) return "done";
      if (count - failed >= k) return "wait";
      return { failed: `${failed} of ${count} targets failed, ${k} answers are required` };
    },
    wants: ({ answered }) => k - answered,
    result: (found) => gathered(found).answers,
  };
}

function notEnough({ answered, count }: Found<unknown>): { readonly failed: string } {
  return { failed: `what ${answered} of ${count} targets answered does not do (require)` };
}

/** Answers and failures without gaps, in the order of the targets. */
export function gathered<T>({ answers, failures }: Found<T>): Gathered<T> {
  return {
    answers: answers.filter((one) => one !== undefined), failures: failures.filter((one) => one !== undefined),
  };
}
