/** The audit log says of each decision who wanted what, and why it was decided so. */
import type { Clock, Observer } from "../core/index.ts";

/** One decision. No credential stands in it. */
export interface AuditEntry {
  /** In ISO 8601. */
  readonly time: string;
  readonly decision: "allow" | "deny";
  readonly method: string;
  /** Kind and name of the caller; `anonymous` and empty for nobody known. */
  readonly kind: string;
  readonly name: string;
  readonly trustDomain?: string | undefined;
  readonly region?: string | undefined;
  readonly via?: string | undefined;
  /** Where the connection comes from, and whether it is encrypted. */
  readonly peer: string;
  readonly secured: boolean;
  /** The rule that decided, and the reason in words. */
  readonly rule?: string | undefined;
  readonly reason: string;
  /** What the caller was told. */
  readonly code?: string | undefined;
}

/** How many entries were left out, of each decision, since the last that says so. */
export interface AuditGap {
  readonly time: string;
  readonly decision: "dropped";
  readonly allowed: number;
  readonly denied: number;
  readonly reason: string;
}

/** Where entries go. What it throws is told to the observer (`audit.failed`) and ends no call. */
export type AuditSink = (entry: AuditEntry | AuditGap) => void;

export interface AuditOptions {
  /** Beside the observer, who hears each as the event `audit`. */
  readonly sink?: AuditSink | undefined;
  /** Whether what was allowed is told too. Default: to a sink, if there is one; else denials alone. */
  readonly allowed?: boolean | undefined;
  /** Most entries a second, of allowed and of denied calls each; how many more there were is told. Default 1,000. */
  readonly maxPerSecond?: number | undefined;
}

const windowMs = 1_000;

export class Audit {
  /** Whether anybody hears of what is allowed: else nothing is made of it. */
  readonly tellsAllowed: boolean;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #sink: AuditSink | undefined;
  readonly #most: number;
  #windowMs = -Infinity;
  readonly #told = { allow: 0, deny: 0 };
  readonly #dropped = { allow: 0, deny: 0 };
  #isWaiting = false;

  constructor(clock: Clock, observer: Observer, options: AuditOptions, most: number) {
    this.#clock = clock;
    this.#observer = observer;
    this.#sink = options.sink;
    this.#most = most;
    this.tellsAllowed = options.allowed ?? options.sink !== undefined;
  }

  record(entry: Omit<AuditEntry, "time">): void {
    const nowMs = this.#clock.now();
    if (nowMs - this.#windowMs >= windowMs) {
      this.#tellDropped();
      this.#windowMs = nowMs;
      this.#told.allow = this.#told.deny = 0;
    }
    const { decision } = entry;
    if (this.#told[decision] >= this.#most) {
      this.#dropped[decision]++;
      if (this.#isWaiting) return;
      this.#isWaiting = true;
      // Also where nobody comes any more.
      this.#clock.after(windowMs, () => this.#tellDropped()).unref();
      return;
    }
    this.#told[decision]++;
    this.#tell({ time: this.#time(), ...entry });
  }

  #tellDropped(): void {
    const { allow, deny } = this.#dropped;
    this.#isWaiting = false;
    if (allow + deny === 0) return;
    this.#dropped.allow = this.#dropped.deny = 0;
    this.#tell({
      time: this.#time(), decision: "dropped", allowed: allow, denied: deny,
      reason: `more than ${this.#most} decisions of one kind in a second (audit.maxPerSecond)`,
    });
  }

  #time(): string {
    return new Date(this.#clock.wallMs()).toISOString();
  }

  #tell(entry: AuditEntry | AuditGap): void {
    this.#observer.event?.("audit", { ...entry });
    try {
      this.#sink?.(entry);
    } catch (error) {
      this.#observer.event?.("audit.failed", { why: error instanceof Error ? error.message : String(error) });
    }
  }
}

/** Writes entries as lines of JSON. */
export function auditLines(write: (line: string) => void): AuditSink {
  return (entry) => write(JSON.stringify(entry));
}
