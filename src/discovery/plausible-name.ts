/** A PlausibleName is what is believed of one name: what the source lists, and what is held back beside it. */
import type { Timer } from "../core/alarm.ts";
import type { Watcher } from "../core/discovery.ts";
import type { EndpointAddress } from "../core/endpoint.ts";
import type { RpcError } from "../core/error.ts";
import type { Observer } from "../core/observer.ts";
import type { Runtime } from "../core/runtime.ts";
import type { Answer } from "./audience.ts";
import { Inquiry, type InquirySettings } from "./inquiry.ts";
import { implausible, type Loss } from "./loss.ts";

export interface PlausibleSettings extends InquirySettings {
  readonly hold: "bulk" | "all";
  readonly windowMs: number;
  readonly confirmMs: number;
  readonly observer: Observer;
}

interface Held {
  readonly endpoint: EndpointAddress;
  readonly sinceMs: number;
}

/** So many are named in an event. */
const maxNamed = 10;
/** What falls silent within so many milliseconds is dropped together, since each set is told whole. */
const togetherMs = 10;

export class PlausibleName implements Watcher {
  readonly #runtime: Pick<Runtime, "clock" | "random">;
  readonly #name: string;
  readonly #settings: PlausibleSettings;
  readonly #tell: (answer: Answer) => void;
  readonly #inquiry: Inquiry;
  /** What the source listed last; undefined before. */
  #listed: readonly EndpointAddress[] | undefined = undefined;
  readonly #held = new Map<string, Held>();
  /** What was let go within the last `windowMs`, by id. */
  #lost: readonly Loss[] = [];
  #confirmation: Timer | undefined = undefined;
  /** Who does not answer, until it is told with those who fall silent at the same time. */
  #silent: string[] = [];
  #telling: Timer | undefined = undefined;

  constructor(
    runtime: Pick<Runtime, "clock" | "random">, name: string, settings: PlausibleSettings,
    tell: (answer: Answer) => void,
  ) {
    this.#runtime = runtime;
    this.#name = name;
    this.#settings = settings;
    this.#tell = tell;
    this.#inquiry = new Inquiry(runtime, settings, (endpoint) => this.#isSilent(endpoint));
  }

  get held(): readonly EndpointAddress[] {
    return [...this.#held.values()].map(({ endpoint }) => endpoint);
  }

  snapshot(endpoints: readonly EndpointAddress[]): void {
    const before = this.#listed ?? [];
    const ids = new Set<string>();
    for (const { id } of endpoints) ids.add(id);
    this.#listed = endpoints;
    const returned = [...this.#held.keys()].filter((id) => ids.has(id));
    const missing = before.filter(({ id }) => !ids.has(id));
    if (this.#lost.length > 0) this.#forgetLosses(ids);
    if (missing.length > 0) this.#weigh(before, missing);
    if (returned.length > 0) this.#letGo(returned, "listed again");
    this.#tellAll();
  }

  failed(error: RpcError): void {
    this.#tell({ state: "failed", error });
  }

  #forgetLosses(listed: ReadonlySet<string>): void {
    const fromMs = this.#runtime.clock.now() - this.#settings.windowMs;
    this.#lost = this.#lost.filter(({ atMs, endpoint }) => atMs > fromMs && !listed.has(endpoint.id));
  }

  /** Lets go of those that are missing, or holds them back. */
  #weigh(before: readonly EndpointAddress[], missing: readonly EndpointAddress[]): void {
    const { hold, confirmMs, observer } = this.#settings;
    const isEmpty = this.#listed?.length === 0;
    const why = implausible(before, missing, isEmpty, this.#lost) ??
      (hold === "all" ? "every removal is asked" : undefined);
    const nowMs = this.#runtime.clock.now();
    if (why === undefined) {
      this.#lost = [...this.#lost, ...missing.map((endpoint) => ({ endpoint, atMs: nowMs }))];
      return;
    }
    for (const endpoint of missing) {
      this.#held.set(endpoint.id, { endpoint, sinceMs: nowMs });
      this.#inquiry.begin(endpoint);
    }
    observer.event?.("discovery.held", {
      name: this.#name, why, held: missing.length, of: before.length, listed: this.#listed?.length ?? 0,
      endpoints: named(missing), confirmMs,
    });
    this.#confirmation ??= this.#confirmLater();
  }

  #confirmLater(): Timer | undefined {
    const [first] = this.#held.values();
    if (first === undefined) return undefined;
    const { clock } = this.#runtime;
    return clock.after(first.sinceMs + this.#settings.confirmMs - clock.now(), () => {
      this.#confirmation = undefined;
      const overMs = clock.now() - this.#settings.confirmMs;
      const over = [...this.#held].filter(([, { sinceMs }]) => sinceMs <= overMs).map(([id]) => id);
      this.#release(over, `the source said so for ${this.#settings.confirmMs} ms`);
      this.#confirmation ??= this.#confirmLater();
    }).unref();
  }

  #isSilent({ id }: EndpointAddress): void {
    this.#silent.push(id);
    this.#telling ??= this.#runtime.clock.after(togetherMs, () => {
      const ids = this.#silent;
      this.#silent = [];
      this.#telling = undefined;
      this.#release(ids, "does not answer");
    }).unref();
  }

  confirm(): void {
    this.#release([...this.#held.keys()], "confirmed");
  }

  #release(ids: readonly string[], why: string): void {
    if (this.#letGo(ids, why) > 0) this.#tellAll();
  }

  #letGo(ids: readonly string[], why: string): number {
    const gone = ids.flatMap((id) => {
      const held = this.#held.get(id);
      if (held === undefined) return [];
      this.#held.delete(id);
      this.#inquiry.end(held.endpoint);
      return [held.endpoint];
    });
    if (gone.length === 0) return 0;
    if (this.#held.size === 0) {
      this.#confirmation?.cancel();
      this.#confirmation = undefined;
    }
    this.#settings.observer.event?.("discovery.released", {
      name: this.#name, why, released: gone.length, held: this.#held.size, endpoints: named(gone),
    });
    return gone.length;
  }

  #tellAll(): void {
    const listed = this.#listed ?? [];
    this.#tell({ state: "known", endpoints: this.#held.size === 0 ? listed : [...listed, ...this.held] });
  }

  close(): void {
    this.#confirmation?.cancel();
    this.#telling?.cancel();
    this.#inquiry.close();
  }
}

function named(endpoints: readonly EndpointAddress[]): readonly string[] {
  return endpoints.slice(0, maxNamed).map(({ id }) => id);
}
