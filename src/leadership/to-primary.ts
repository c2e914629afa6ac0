/**
 * `toPrimary` sends a client's calls to whichever member leads, and repeats what was not done until the deadline.
 *
 * Any member tells where the primary is by the trailer `meridian-primary`; until one has told, all are tried in turn.
 * It takes the place of the retry layer: a promotion takes longer than a few attempts, so that what bounds the repeats
 * is the deadline; and while nobody leads one call asks, and the others wait for what it finds. A call that may have
 * been made is repeated only if its method bears that (`idempotent`), with the same idempotency key, by which the next
 * primary knows it.
 */
import type { ClientOptions } from "../client/create-client.ts";
import type { Context } from "../core/context.ts";
import type { Candidate } from "../core/endpoint.ts";
import { expected, RpcError } from "../core/error.ts";
import { numberOption } from "../core/option.ts";
import type { Picker } from "../core/picker.ts";
import type { Runtime } from "../core/runtime.ts";
import { isPromise, type Layer, type Service } from "../core/service.ts";
import { pause } from "../resilience/pause.ts";

export interface ToPrimaryOptions {
  /** First and longest pause between two attempts, in milliseconds, of which half is chance. Default 10 and 200. */
  readonly minPauseMs?: number | undefined;
  readonly maxPauseMs?: number | undefined;
  /** An attempt that is silent for so long is given up for another, in milliseconds. Default 2,000. */
  readonly attemptMs?: number | undefined;
  /** Most calls that wait while one looks for the primary; further ones look themselves. Default 10,000. */
  readonly maxWaiting?: number | undefined;
}

/** Options of a client, to be spread into them. */
export type ToPrimary = Required<Pick<ClientOptions,
  "picker" | "stack" | "retry" | "hedge" | "throttle" | "slowStart" | "outliers">>;

/** The same as `toPrimary` on another runtime. */
export function toPrimaryOn(runtime: Pick<Runtime, "clock" | "random">, options: ToPrimaryOptions = {}): ToPrimary {
  const minPauseMs = numberOption("minPauseMs", options.minPauseMs ?? 10, { least: 1, unit: "milliseconds" });
  const maxPauseMs = numberOption("maxPauseMs", options.maxPauseMs ?? 200, { least: minPauseMs, unit: "milliseconds" });
  const attemptMs = numberOption("attemptMs", options.attemptMs ?? 2_000, { least: 1, unit: "milliseconds" });
  const maxWaiting = numberOption("maxWaiting", options.maxWaiting ?? 10_000, { least: 0, whole: true, unit: "calls" });
  const search = new Search(runtime, { minPauseMs, maxPauseMs, attemptMs, maxWaiting });
  return {
    // Only the primary can answer, so that there is nobody to hedge to, and whoever comes back is needed at once.
    picker: search.picker, retry: false, hedge: false, slowStart: false,
    // A backup that says it is none is well, and not overloaded.
    outliers: false, throttle: false,
    // Below the keys: every attempt carries the same one.
    stack: ({ telemetry, idempotency, ...rest }) => ({ telemetry, idempotency, toPrimary: search.layer, ...rest }),
  };
}

interface SearchSettings {
  readonly minPauseMs: number;
  readonly maxPauseMs: number;
  readonly attemptMs: number;
  readonly maxWaiting: number;
}

/** What one client knows of where the primary is, and who looks for it. */
class Search {
  readonly #runtime: Pick<Runtime, "clock" | "random">;
  readonly #settings: SearchSettings;
  #primary = "";
  #turn = 0;
  /** Where the last attempt went. */
  #picked = "";
  /** One call looks for the primary; the others wait for what it finds, so that an outage is not met by a storm. */
  #isSought = false;
  readonly #waiting = new Set<() => void>();

  constructor(runtime: Pick<Runtime, "clock" | "random">, settings: SearchSettings) {
    this.#runtime = runtime;
    this.#settings = settings;
  }

  readonly picker: Picker = <C extends Candidate>(candidates: readonly C[]): C | undefined => {
    let picked = candidates[this.#turn % candidates.length];
    for (const one of candidates) if (one.address.address === this.#primary) picked = one;
    this.#picked = picked?.address.address ?? "";
    return picked;
  };

  readonly layer: Layer = (inner) => (request, context) => {
    if (context.method.kind !== "unary") return inner(request, context);
    if (this.#isSought && this.#waiting.size < this.#settings.maxWaiting) {
      return this.#found(context).then(() => this.#repeat(inner, request, context, undefined));
    }
    let answer: unknown;
    try {
      answer = inner(request, this.#attempt(context, 0));
    } catch (error) {
      return this.#repeat(inner, request, context, error);
    }
    if (!isPromise(answer)) return answer;
    return answer.then(undefined, (error: unknown) => this.#repeat(inner, request, context, error));
  };

  #attempt(context: Context, number: number): Context {
    const startedMs = number === 0 ? context.startedMs : this.#runtime.clock.now();
    const deadline = startedMs + this.#settings.attemptMs;
    if (number === 0 && deadline >= context.deadline) return context;
    const nearer = Math.min(deadline, context.deadline);
    return context.with({ attempt: context.attempt + number, startedMs, deadline: nearer });
  }

  /** Goes on after a failure, or for the first time after having waited. */
  async #repeat(inner: Service, request: unknown, context: Context, failure: unknown): Promise<unknown> {
    const { minPauseMs, maxPauseMs, maxWaiting } = this.#settings;
    const { clock, random } = this.#runtime;
    let error = failure;
    let isSeeker = false;
    try {
      for (let number = 1, pauseMs = minPauseMs;; number++, pauseMs = Math.min(maxPauseMs, pauseMs * 1.6)) {
        if (error !== undefined) {
          if (!RpcError.is(error) || !mayRepeat(context, error)) throw error;
          // Whoever was told of another primary goes there at once.
          const waitMs = this.#learn(error) ? 0 : pauseMs * (0.5 + random.next() / 2);
          if (context.deadline - clock.now() - waitMs < 1) throw error;
          if (waitMs > 0 && !isSeeker && this.#isSought && this.#waiting.size < maxWaiting) {
            await this.#found(context);
          } else if (waitMs > 0) {
            this.#isSought = isSeeker = true;
            await pause(clock, waitMs, context);
          }
        }
        if (clock.now() >= context.deadline) throw error ?? outOfTime();
        try {
          this.#picked = "";
          const answer = inner(request, this.#attempt(context, number));
          const where = this.#picked;
          const value = await answer;
          if (isSeeker && where !== "") this.#primary = where;
          return value;
        } catch (another) {
          error = another;
        }
      }
    } finally {
      if (isSeeker) this.#release();
    }
  }

  /** The search is over: found, or given up, and then the first that goes on without success is the next to seek. */
  #release(): void {
    this.#isSought = false;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const go of waiting) go();
  }

  /** Waits until the search is over, or there is no time left. */
  #found(context: Context): Promise<void> {
    const { clock } = this.#runtime;
    return new Promise((resolve, reject) => {
      const end = (): void => {
        timer?.cancel();
        this.#waiting.delete(end);
        context.offCancel(cancellable);
        resolve();
      };
      const timer = context.deadline === Infinity ? undefined : clock.after(context.deadline - clock.now(), end);
      const cancellable = { cancelled: (reason: RpcError) => {
        reject(reason);
        end();
      } };
      this.#waiting.add(end);
      context.onCancel(cancellable);
    });
  }

  /** Learns from a failure where to go next; true if it told of another primary. */
  #learn(error: RpcError): boolean {
    const told = error.metadata?.["meridian-primary"];
    if (told !== undefined && told !== this.#primary) {
      this.#primary = told;
      return true;
    }
    this.#primary = "";
    this.#turn = (this.#turn + 1) % 0x3fffffff;
    return false;
  }
}

function outOfTime(): RpcError {
  return expected("deadline_exceeded", "no primary was found before the deadline",
    { neverStarted: true, phase: "pick" });
}

function mayRepeat({ method, idempotencyKey, cancelReason }: Context, error: RpcError): boolean {
  if (cancelReason !== undefined || (error.retryAfterMs !== undefined && !(error.retryAfterMs >= 0))) return false;
  if (error.neverStarted) return true;
  if (!error.retryable && error.code !== "deadline_exceeded") return false;
  return method.idempotent === true || (method.idempotent === "keyed" && idempotencyKey !== undefined);
}
