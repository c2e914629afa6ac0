/**
 * Draining: waiting until every promise job is done, and nothing else.
 *
 * The language itself cannot say that the queue of promise jobs is empty: a chain of n awaits only outlasts
 * jobs n deep. The host environment can. In Node a `process.nextTick` callback asked for *within a promise
 * job* runs when the queue is empty and before anything else, for a tenth of what a turn of the event loop
 * costs. Elsewhere a turn (setImmediate, or a message to ourselves) does it. They are looked up, not
 * imported, since the simulator must load wherever the policies it tests do. None of them can change what a
 * simulation does: no simulated time passes, and simulated code waits for nothing but promises.
 */
import { RpcError } from "../../core/error.ts";

/** Resolves when the queue of promise jobs is empty. Called within a promise job. */
export type Drain = () => Promise<void>;

interface Environment {
  readonly process?: {
    readonly nextTick?: (callback: () => void) => void;
    readonly versions?: Readonly<Record<string, string>>;
  };
  readonly ["setImmediate"]?: (callback: () => void) => unknown;
  readonly MessageChannel?: new () => {
    readonly port1: { addEventListener(type: "message", listener: () => void): void; start(): void };
    readonly port2: { postMessage(message: unknown): void };
  };
}

/** Drains, and does so again and again. */
export interface Draining extends Drain {
  /**
   * Calls `step`, draining after each call that answers "drain", until one answers "done". Rejects with what it
   * throws.
   */
  each(step: () => "drain" | "done"): Promise<void>;
}

/** Drains between two turns of the real event loop; a turn lets unhandled rejections and test timeouts out. */
const drainsPerTurn = 1_000;

/** The drain given, or else the best that this environment has. */
export function createDraining(given?: Drain): Draining {
  const environment = globalThis as unknown as Environment;
  const { process } = environment;
  const turn = given ?? createTurn(environment);
  const nextTick = process?.versions?.["bun"] === undefined ? process?.nextTick : undefined;
  if (given !== undefined || nextTick === undefined) {
    const each = async (step: () => "drain" | "done"): Promise<void> => {
      while (step() === "drain") await turn();
    };
    return Object.assign((): Promise<void> => turn(), { each });
  }
  const atTick = (resolve: () => void): void => nextTick(resolve);
  return Object.assign(() => new Promise<void>(atTick), { each: (step: Step) => eachTick(step, nextTick, turn) });
}

type Step = () => "drain" | "done";

/**
 * Steps run as ticks. The next tick is asked for in a promise job, so that it comes when all others are done: asked
 * for in the tick itself, it would come before them.
 */
function eachTick(step: Step, nextTick: (callback: () => void) => void, turn: Drain): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    let drains = 0;
    const settled = Promise.resolve();
    const tick = (): void => {
      try {
        if (step() === "done") resolve();
        else if (++drains % drainsPerTurn === 0) void turn().then(tick, reject);
        else void settled.then(ask);
      } catch (error) {
        reject(error);
      }
    };
    const ask = (): void => nextTick(tick);
    ask();
  });
}

function createTurn({ ["setImmediate"]: turn, MessageChannel }: Environment): Drain {
  if (turn !== undefined) {
    return () => new Promise<void>((resolve) => {
      turn(resolve);
    });
  }
  if (MessageChannel !== undefined) {
    const { port1, port2 } = new MessageChannel();
    let drained: (() => void) | undefined;
    port1.addEventListener("message", () => drained?.());
    port1.start();
    return () => new Promise<void>((resolve) => {
      drained = resolve;
      port2.postMessage(0);
    });
  }
  throw new RpcError("unimplemented",
    "this environment has neither setImmediate nor MessageChannel; give createSimulation a drain of your own");
}
