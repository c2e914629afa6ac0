// DAGOR as it was published ("Overload Control for Scaling WeChat Microservices", SoCC'18), as a server's admission.
//
// Every second, or every 2,000 requests, the average time that requests have queued is looked at: above 20 ms the
// server is overloaded.
// A cursor over levels of business and user priority then lets in 5 % fewer of what it let in, by the
// histogram of that window, and otherwise 1 % of what came more. There is no other queue than the server's own.
import {
  Alarm, type Context, isPromise, type LayerMaker, type Runtime, type Service,
} from "../../src/core/index.ts";
import { allLevels, criticalityOf, levels, shed } from "../../src/overload/index.ts";

export interface DagorOptions {
  readonly windowMs?: number;
  readonly windowRequests?: number;
  readonly queueMs?: number;
  readonly shrink?: number;
  readonly grow?: number;
  /** What a request takes without queueing: DAGOR measures the queue itself, which here is the rest of the latency. */
  readonly serviceMs?: number;
}

export function dagor(options: DagorOptions = {}): LayerMaker {
  return (runtime) => {
    const control = new Dagor(runtime, options);
    return (next) => (request, context) => control.enter(next, request, context);
  };
}

class Dagor extends Alarm {
  readonly #runtime: Runtime;
  readonly #options: Required<DagorOptions>;
  readonly #levelOf: (context: Context) => number;
  readonly #histogram = new Uint32Array(allLevels);
  #cursor = allLevels;
  #came = 0;
  #admitted = 0;
  #queuedMs = 0;
  #ended = 0;

  constructor(runtime: Runtime, options: DagorOptions) {
    super();
    this.keepsAlive = false;
    this.#runtime = runtime;
    this.#options = {
      windowMs: 1_000, windowRequests: 2_000, queueMs: 20, shrink: 0.05, grow: 0.01, serviceMs: 5, ...options,
    };
    this.#levelOf = levels(runtime);
  }

  enter(next: Service, request: unknown, context: Context): unknown {
    const { clock } = this.#runtime;
    if (!this.isSet) clock.set(this, context.startedMs + this.#options.windowMs);
    const level = this.#levelOf(context);
    (this.#histogram[level] as number)++;
    const isAdmitted = level < this.#cursor;
    if (isAdmitted) this.#admitted++;
    if (++this.#came >= this.#options.windowRequests) this.ring();
    if (!isAdmitted) {
      const criticality = criticalityOf(context);
      throw shed("below the admission level", { criticality, retryAfterMs: 0, level: undefined });
    }
    const ended = (): void => {
      this.#ended++;
      this.#queuedMs += Math.max(0, clock.now() - context.startedMs - this.#options.serviceMs);
    };
    const answer = next(request, context);
    if (!isPromise(answer)) return answer;
    return answer.then((value) => {
      ended();
      return value;
    }, (error: unknown) => {
      ended();
      throw error;
    });
  }

  ring(): void {
    const { windowMs, queueMs, shrink, grow } = this.#options;
    const isOverloaded = this.#ended > 0 && this.#queuedMs / this.#ended > queueMs;
    const wanted = isOverloaded ? this.#admitted * (1 - shrink) : this.#admitted + Math.max(1, this.#came * grow);
    if (this.#came > 0) {
      let below = 0;
      let cursor = 0;
      while (cursor < allLevels && below < wanted) below += this.#histogram[cursor++] as number;
      this.#cursor = Math.max(1, cursor);
    }
    this.#histogram.fill(0);
    const any = this.#came > 0;
    this.#came = this.#admitted = this.#queuedMs = this.#ended = 0;
    if (any || this.#cursor < allLevels) this.#runtime.clock.set(this, this.#runtime.clock.now() + windowMs);
  }
}
