/** A Job is one piece of work at a station: how much is left of it, and who waits for it. */
import type { Cancellable, Context } from "../core/context.ts";
import type { RpcError } from "../core/error.ts";
import { Happening } from "../runtime/sim/agenda.ts";
import type { Program } from "../runtime/sim/world.ts";

/** What hears of a job. */
export interface JobOwner {
  /** Its worker has finished. */
  done(job: Job): void;
  /** Its call was given up. */
  givenUp(job: Job, reason: RpcError): void;
}

export class Job implements Cancellable {
  readonly station: JobOwner;
  readonly workMs: number;
  leftMs: number;
  sinceMs = 0;
  isBegun = false;
  isOver = false;
  readonly #context: Context | undefined;
  readonly #resolve: () => void;
  readonly #reject: (error: RpcError) => void;
  #ending: Ending | undefined = undefined;
  /** In a shared processor: the virtual time at which it is done, and its place in the heap. */
  virtualEnd = 0;
  heapIndex = -1;

  constructor(
    station: JobOwner, workMs: number, context: Context | undefined, resolve: () => void,
    reject: (error: RpcError) => void,
  ) {
    this.station = station;
    this.workMs = this.leftMs = workMs;
    this.#context = context;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  get isGivenUp(): boolean {
    return this.#context?.cancelReason !== undefined;
  }

  measure(agenda: { readonly nowMs: number }, rate: number): void {
    this.leftMs = Math.max(0, this.leftMs - (agenda.nowMs - this.sinceMs) * rate);
    this.sinceMs = agenda.nowMs;
  }

  /** Moves the planned end of its work. */
  aim(program: Program, atMs: number): void {
    const { agenda } = program.world;
    if (this.#ending !== undefined) agenda.callOff(this.#ending);
    this.#ending = undefined;
    if (atMs !== Infinity) agenda.plan(this.#ending = new Ending(program, this), atMs);
  }

  cancelled(reason: RpcError): void {
    this.station.givenUp(this, reason);
  }

  end(error: RpcError | undefined): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#context?.offCancel(this);
    if (error === undefined) this.#resolve();
    else this.#reject(error);
  }
}

/** The end of a job's work. */
class Ending extends Happening {
  readonly #program: Program;
  readonly #job: Job;

  constructor(program: Program, job: Job) {
    super();
    this.#program = program;
    this.#job = job;
  }

  happen(): void {
    this.#program.admit(this, Ending.done, this);
  }

  static done(this: void, ending: Ending): void {
    const { world } = ending.#program;
    world.isTouched = true;
    world.digest.foldNumber(world.agenda.nowMs);
    ending.#job.station.done(ending.#job);
  }
}
