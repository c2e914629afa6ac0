/**
 * Mirroring sends copies of a share of a gateway's calls elsewhere and disregards their answers, so that a new version
 * can be watched under real traffic before anybody depends on it.
 *
 * A copy never holds up its call: it leaves afterwards, on connections, budgets and endpoints of its own, is made once,
 * and is dropped rather than queued. It bears the metadata `meridian-mirror: 1` and no idempotency key of the call's.
 */
import {
  type Clock, Context, createMetadata, isPromise, type MethodInfo, numberOption, RpcError, type Runtime,
} from "../core/index.ts";
import type { Calling } from "../client/create-client.ts";

export interface MirrorSettings {
  /** Whose calls: the exact name, and that of one method or of none for all. */
  readonly service: string;
  readonly method?: string | undefined;
  /** Share of the calls, above 0 to 100. */
  readonly percent: number;
  /** The name that the servers of the copies are registered under. */
  readonly toService: string;
  /** Whether methods that may change something are mirrored too. Default false: those declared `safe` alone. */
  readonly unsafe?: boolean | undefined;
}

export interface MirrorView extends Required<Omit<MirrorSettings, "method">> {
  /** Empty for all. */
  readonly method: string;
  readonly sent: number;
  readonly failed: number;
  /** Not sent: as many as may be were out, or the method may change something. */
  readonly dropped: number;
}

export interface MirrorOptions {
  /** Most copies out at once, of all mirrors together. Default 100. */
  readonly maxConcurrent?: number | undefined;
  /** Longest time a copy may take, in milliseconds, if its call has more. Default 5,000. */
  readonly timeoutMs?: number | undefined;
}

export interface Mirror {
  /** Puts a mirror in force, in the place of another of the same service and method. */
  set(settings: MirrorSettings): void;
  /** Ends it; answers false if there was none. */
  end(service: string, method?: string): boolean;
  list(): readonly MirrorView[];
  /** Whether any is in force. */
  readonly isOn: boolean;
  /** How copies leave; a gateway says so when it is made. What it returns ends that. */
  through(make: (service: string) => Calling): Copying;
}

export interface Copying {
  /** Sends a copy of a call that has left, if a mirror wants one. Never throws, never waits. */
  copy(method: MethodInfo, request: unknown, context: Context): void;
  close(): void;
}

/** Metadata that copies bear. */
export const mirrorMetadata = "meridian-mirror";

/** Most mirrors at once. */
const maxMirrors = 100;
/** More attempts than any policy makes: nothing repeats a copy. */
const noRepeats = 1_000;

/** Makes a switchboard of mirrors, with none in force. */
export function createMirror(runtime: Pick<Runtime, "clock" | "random">, options: MirrorOptions = {}): Mirror {
  return new Mirrors(runtime, options);
}

interface Active {
  readonly settings: Required<Omit<MirrorSettings, "method">> & { readonly method: string };
  sent: number;
  failed: number;
  dropped: number;
}

class Mirrors implements Mirror {
  readonly #clock: Clock;
  readonly #random: Runtime["random"];
  readonly #maxConcurrent: number;
  readonly #timeoutMs: number;
  readonly #active = new Map<string, Active>();
  #out = 0;

  constructor(runtime: Pick<Runtime, "clock" | "random">, options: MirrorOptions) {
    this.#clock = runtime.clock;
    this.#random = runtime.random;
    this.#maxConcurrent = numberOption("maxConcurrent", options.maxConcurrent ?? 100,
      { least: 1, most: 100_000, whole: true, unit: "calls" });
    this.#timeoutMs = numberOption("timeoutMs", options.timeoutMs ?? 5_000,
      { least: 1, most: 3_600_000, unit: "milliseconds" });
  }

  get isOn(): boolean {
    return this.#active.size > 0;
  }

  set(given: MirrorSettings): void {
    const { service, method = "", toService, unsafe = false } = given;
    const percent = numberOption("percent", given.percent, { least: 0, most: 100 });
    for (const [name, text] of Object.entries({ service, toService })) {
      if (text === "" || text.length > 256) {
        throw new RpcError("invalid_argument", `${name} must be a service's name of 1 to 256 characters`);
      }
    }
    const key = keyOf(service, method);
    if (percent === 0) {
      this.#active.delete(key);
      return;
    }
    if (!this.#active.has(key) && this.#active.size >= maxMirrors) {
      throw new RpcError("resource_exhausted", `there are ${maxMirrors} mirrors already; end some first`);
    }
    const settings = { service, method, percent, toService, unsafe };
    this.#active.set(key, { settings, sent: 0, failed: 0, dropped: 0 });
  }

  end(service: string, method = ""): boolean {
    return this.#active.delete(keyOf(service, method));
  }

  list(): readonly MirrorView[] {
    return [...this.#active.values()].map(({ settings, sent, failed, dropped }) =>
      ({ ...settings, sent, failed, dropped }));
  }

  through(make: (service: string) => Calling): Copying {
    const callings = new Map<string, Calling>();
    const calling = (service: string): Calling => {
      let known = callings.get(service);
      if (known !== undefined) return known;
      // Those that no mirror names any more make room.
      for (const [name, one] of callings) {
        if (callings.size < maxMirrors) break;
        if ([...this.#active.values()].some(({ settings }) => settings.toService === name)) continue;
        callings.delete(name);
        one.close(0);
      }
      callings.set(service, known = make(service));
      return known;
    };
    return {
      copy: (method, request, context) => this.#copy(calling, method, request, context),
      close() {
        for (const one of callings.values()) one.close(0);
        callings.clear();
      },
    };
  }

  #copy(calling: (service: string) => Calling, method: MethodInfo, request: unknown, context: Context): void {
    // The first gateway of a call's way mirrors it, and nobody mirrors a copy.
    if (context.hops > 0 || method.kind !== "unary" || context.metadata[mirrorMetadata] !== undefined) return;
    const active = this.#active.get(keyOf(method.service, method.name)) ?? this.#active.get(keyOf(method.service, ""));
    if (active === undefined) return;
    const { percent, unsafe, toService } = active.settings;
    if (percent < 100 && this.#random.next() * 100 >= percent) return;
    if ((method.safe !== true && !unsafe) || this.#out >= this.#maxConcurrent) {
      active.dropped++;
      return;
    }
    active.sent++;
    this.#out++;
    const ended = (): void => void this.#out--;
    const failed = (): void => {
      this.#out--;
      active.failed++;
    };
    try {
      const answer = calling(toService).service(request, this.#contextOf(method, context));
      if (isPromise(answer)) answer.then(ended, failed);
      else ended();
    } catch {
      failed();
    }
  }

  #contextOf(method: MethodInfo, { deadline, metadata, routeKey, hops }: Context): Context {
    const nowMs = this.#clock.now();
    return new Context(method, nowMs, Math.min(deadline, nowMs + this.#timeoutMs), {
      metadata: createMetadata({ ...metadata, [mirrorMetadata]: "1" }), routeKey, hops: hops + 1,
      priorAttempts: noRepeats,
    });
  }
}

function keyOf(service: string, method: string): string {
  return `${service}/${method}`;
}
