/** An Inquiry asks endpoints whether they are there: a few at a time, and again, until one does not answer. */
import type { Timer } from "../core/alarm.ts";
import type { EndpointAddress } from "../core/endpoint.ts";
import type { Probe } from "../core/probe.ts";
import type { Runtime } from "../core/runtime.ts";

export interface InquirySettings {
  readonly probe: Probe | undefined;
  readonly probeTimeoutMs: number;
  readonly tries: number;
  readonly retryMs: number;
  readonly probeIntervalMs: number;
  readonly maxProbes: number;
}

interface Asked {
  readonly endpoint: EndpointAddress;
  failures: number;
  answers: number;
  timer: Timer | undefined;
}

/** One that answered is asked again first after so long: who leaves in order does so after it was taken out. */
const soonMs = 50;

export class Inquiry {
  readonly #runtime: Pick<Runtime, "clock" | "random">;
  readonly #settings: InquirySettings;
  readonly #silent: (endpoint: EndpointAddress) => void;
  readonly #asked = new Map<string, Asked>();
  readonly #waiting: Asked[] = [];
  #running = 0;

  /** `silent` hears of each endpoint that failed `tries` probes in a row, once. */
  constructor(
    runtime: Pick<Runtime, "clock" | "random">, settings: InquirySettings,
    silent: (endpoint: EndpointAddress) => void,
  ) {
    this.#runtime = runtime;
    this.#settings = settings;
    this.#silent = silent;
  }

  begin(endpoint: EndpointAddress): void {
    if (this.#settings.probe === undefined) return;
    const asked: Asked = { endpoint, failures: 0, answers: 0, timer: undefined };
    this.#asked.set(endpoint.id, asked);
    this.#ask(asked);
  }

  end({ id }: EndpointAddress): void {
    this.#asked.get(id)?.timer?.cancel();
    this.#asked.delete(id);
  }

  close(): void {
    for (const { timer } of this.#asked.values()) timer?.cancel();
    this.#asked.clear();
    this.#waiting.length = 0;
  }

  #ask(asked: Asked): void {
    asked.timer = undefined;
    this.#waiting.push(asked);
    this.#next();
  }

  #next(): void {
    while (this.#running < this.#settings.maxProbes) {
      const asked = this.#waiting.shift();
      if (asked === undefined) return;
      // It may have come back, or been dropped, while it waited for its turn.
      if (this.#isAsked(asked)) void this.#probe(asked);
    }
  }

  #isAsked(asked: Asked): boolean {
    return this.#asked.get(asked.endpoint.id) === asked;
  }

  async #probe(asked: Asked): Promise<void> {
    const { probe, probeTimeoutMs, tries, retryMs, probeIntervalMs } = this.#settings;
    const { clock, random } = this.#runtime;
    const startedMs = clock.now();
    let answered = true;
    this.#running++;
    try {
      await probe?.(asked.endpoint, probeTimeoutMs);
    } catch {
      answered = false;
    }
    this.#running--;
    if (this.#isAsked(asked)) {
      // Much longer than a probe may take: we stood still ourselves, and the answer may be waiting unread.
      const stood = clock.now() - startedMs > 2 * probeTimeoutMs + 100;
      if (answered) [asked.failures, asked.answers] = [0, asked.answers + 1];
      else if (!stood) asked.failures++;
      if (asked.failures >= tries) {
        this.#asked.delete(asked.endpoint.id);
        this.#silent(asked.endpoint);
      } else {
        // Those who lost one registry together must not ask one server together.
        const pauseMs = asked.failures > 0 || stood
          ? retryMs * (0.5 + random.next())
          : Math.min(probeIntervalMs, soonMs * 2 ** Math.min(asked.answers, 30)) * (0.8 + 0.4 * random.next());
        asked.timer = clock.after(pauseMs, () => this.#ask(asked)).unref();
      }
    }
    this.#next();
  }
}
