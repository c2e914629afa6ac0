/**
 * A quorum is r answers of n replicas: enough to overlap with every write that w of them took, where r + w > n.
 *
 * Answers are reckoned by number alone, by agreement on a value (masking replicas that are wrong), or by version, the
 * newest of which is the answer. Replicas found to be behind can be repaired (Gifford 1979; Dynamo, SOSP 2007, 4.5).
 */
import type { AnyContract } from "../contract/index.ts";
import { badOption, numberOption, RpcError } from "../core/index.ts";
import { canonical } from "./canonical.ts";
import {
  type Found, type Gathering, gathering, type GatherOptions, type Input, type Output, type Rule, type UnaryName,
} from "./gather.ts";
import { gathered } from "./gathers.ts";
import type { Answer, Failure } from "./outcome.ts";
import type { Place, Target, Targets } from "./target.ts";

/** What orders the states of a value: compared by `<`. */
export type Version = number | bigint | string;

export interface QuorumOptions<S extends AnyContract, Name extends keyof S["methods"]> extends GatherOptions<S, Name> {
  /** Answers that make it: 1 to `of`. */
  readonly r: number;
  /**
   * How many replicas there are, whether discovery lists them now or not: r means something only beside this. More are
   * refused. Default: as many as there are targets.
   */
  readonly of?: number | undefined;
  /** `"value"`: r answers must be equal; those are compared by content, or by what `key` makes of them. */
  readonly agree?: "value" | undefined;
  readonly key?: ((answer: Output<S, Name>) => unknown) | undefined;
  /** The version of an answer: the newest of r answers holds. */
  readonly version?: ((answer: Output<S, Name>) => Version) | undefined;
  /**
   * Whether the calls of the others go on once the quorum is complete, so that a write reaches every replica that it
   * can. Default: only with `repair`; otherwise they are cancelled.
   */
  readonly linger?: boolean | undefined;
  /**
   * With `version`: brings a replica that answered an older one up to date. It hears of every replica that answers
   * before the deadline, also after the quorum was complete; what it throws is told by `repaired`.
   */
  readonly repair?:
    ((stale: Target<S>, newest: Output<S, Name>, input: Input<S, Name>) => Promise<unknown>) | undefined;
}

export interface Repair {
  readonly target: Place;
  readonly error: RpcError | undefined;
}

export interface QuorumAnswer<T> {
  /** The newest, or that on which r agree; without either, the first. */
  readonly value: T;
  readonly target: Place;
  /** Those that made the quorum. */
  readonly answers: readonly Answer<T>[];
  readonly failures: readonly Failure[];
  /** Resolves when replicas that were behind have been repaired, with how that went. Never rejects. */
  readonly repaired: Promise<readonly Repair[]>;
}

/** More than half of n. */
export function majority(n: number): number {
  return Math.floor(numberOption("n", n, { least: 1, whole: true, unit: "replicas" }) / 2) + 1;
}

/**
 * Asks the replicas and answers as soon as r answers make a quorum. Fails as soon as they cannot any more.
 *
 * Reads with r and writes with w meet in at least one replica where r + w > n; {@link majority} gives both.
 */
export function quorum<S extends AnyContract, Name extends UnaryName<S>>(
  targets: Targets<S>, method: Name, options: QuorumOptions<S, Name>,
): Gathering<S, Name, QuorumAnswer<Output<S, Name>>> {
  const { of } = options;
  if (of !== undefined) numberOption("of", of, { least: 1, most: 10_000, whole: true, unit: "replicas" });
  numberOption("r", options.r, { least: 1, most: of ?? 10_000, whole: true, unit: "answers" });
  if (options.agree !== undefined && options.agree !== "value") {
    throw badOption("agree", options.agree, 'expected "value"');
  }
  if (options.agree !== undefined && options.version !== undefined) {
    throw badOption("agree", options.agree, "answers are reckoned by agreement or by version, not both");
  }
  if (options.repair !== undefined && options.version === undefined) {
    throw badOption("repair", "set", "without version nobody can tell which replica is behind");
  }
  if (options.repair !== undefined && options.linger === false) {
    throw badOption("linger", false, "repair hears of the replicas that answer late");
  }
  if (options.key !== undefined && options.agree === undefined) {
    throw badOption("key", "set", `it says what answers agree in: set agree: "value"`);
  }
  return gathering(targets, method, options, (input) => quorumRule(input, options));
}

function quorumRule<S extends AnyContract, Name extends UnaryName<S>>(
  input: Input<S, Name>, options: QuorumOptions<S, Name>,
): Rule<Output<S, Name>, QuorumAnswer<Output<S, Name>>> {
  type T = Output<S, Name>;
  const { r, of, agree, key, version, repair } = options;
  const repairs = Promise.withResolvers<readonly Repair[]>();
  const votes = agree === undefined ? undefined : new Votes<T>(key);
  let winner: Answer<T> | undefined;
  return {
    refuse: (count) => count > (of ?? count) ? `${count} targets are more than the ${of} replicas of which r is ${r}`
      : count < r ? `${r} answers are asked for, of ${count} targets` : undefined,
    judge: (found) => {
      const { answered, failed, count } = found;
      const open = count - answered - failed;
      const most = votes === undefined ? answered : votes.count(found);
      if (most >= r) return "done";
      if (most + open >= r) return "wait";
      return { failed: votes === undefined || answered < r
        ? `${answered} of ${count} replicas answered, ${r} are required`
        : `at most ${most} of ${count} replicas agree, ${r} must` };
    },
    wants: (found) => r - (votes === undefined ? found.answered : votes.count(found)),
    result: (found) => {
      const { answers, failures } = gathered(found);
      const made = votes === undefined ? answers : answers.filter((one) => votes.isLeading(one));
      winner = version === undefined ? made[0] : newest(made, version);
      if (repair === undefined) repairs.resolve([]);
      return { value: (winner as Answer<T>).value, target: (winner as Answer<T>).target, answers: made, failures,
        repaired: repairs.promise };
    },
    lingers: options.linger ?? repair !== undefined,
    ended: (found) => {
      // Not settled by a result: it failed, or was cancelled.
      if (winner === undefined || repair === undefined || version === undefined) repairs.resolve([]);
      else void repairAll(found, version, (target, latest) => repair(target as Target<S>, latest, input))
        .then(repairs.resolve);
    },
  };
}

function newest<T>(answers: readonly Answer<T>[], version: (answer: T) => Version): Answer<T> | undefined {
  return answers.reduce<Answer<T> | undefined>((best, one) =>
    best === undefined || version(best.value) < version(one.value) ? one : best, undefined);
}

/** Replicas that answered after the quorum was complete may even know something newer. */
async function repairAll<T>(
  found: Found<T>, version: (answer: T) => Version, repair: (target: Place, latest: T) => Promise<unknown>,
): Promise<readonly Repair[]> {
  const { answers } = gathered(found);
  const best = newest(answers, version) as Answer<T>;
  const stale = answers.filter(({ value }) => version(value) < version(best.value));
  return await Promise.all(stale.map(async ({ target }) => {
    try {
      await repair(target, best.value);
      return { target, error: undefined };
    } catch (error) {
      return { target, error: RpcError.from(error) };
    }
  }));
}

/** Answers by what they agree in. */
class Votes<T> {
  readonly #key: (answer: T) => unknown;
  readonly #counts = new Map<string, number>();
  readonly #ballots = new Map<Answer<T>, string>();
  #leading = "";
  #most = 0;

  constructor(key: (answer: T) => unknown = (answer) => answer) {
    this.#key = key;
  }

  /** How many agree, of the largest party. */
  count({ latest }: Found<T>): number {
    if (latest === undefined || this.#ballots.has(latest)) return this.#most;
    const ballot = canonical(this.#key(latest.value));
    const count = (this.#counts.get(ballot) ?? 0) + 1;
    this.#counts.set(ballot, count);
    this.#ballots.set(latest, ballot);
    if (count > this.#most) [this.#most, this.#leading] = [count, ballot];
    return this.#most;
  }

  isLeading(answer: Answer<T>): boolean {
    return this.#ballots.get(answer) === this.#leading;
  }
}
