/** An outlier record is what is counted of one endpoint's attempts: numbers alone, in O(1) an attempt. */

/** What members whose latencies are compared share. */
export interface OutlierGroup {
  readonly name: string;
  /** Attempts that take longer are slow; Infinity while nothing can be compared. */
  slowAboveMs: number;
  /** How many belong to it. */
  members: number;
}

/** A step of the median's estimate, and one of its first steps, which have farther to go. */
const step = 1.05;
const firstStep = 1.3;
const firstSteps = 20;

export class OutlierRecord {
  readonly id: string;
  group: OutlierGroup = { name: "", slowAboveMs: Infinity, members: 0 };
  /** Failures since the last success. */
  consecutive = 0;
  /** What all members had ended and failed when these began. */
  rowFromEnded = 0;
  rowFromFailed = 0;
  /** Since the last look: attempts, those of them that failed, those whose time counts, and the slow ones of these. */
  ended = 0;
  failed = 0;
  timed = 0;
  slow = 0;
  /** All earlier looks, fading. */
  pastEnded = 0;
  pastFailed = 0;
  pastTimed = 0;
  pastSlow = 0;
  /** The window of Envoy's tests. */
  windowEnded = 0;
  windowFailed = 0;
  /** What has come together against it, in nats. */
  failing = 0;
  /** The same, tested for a much higher rate: who fails as often as that is found out by half as many failures. */
  failingPlainly = 0;
  lagging = 0;
  /** Attempts since both were last nothing, and those of them that failed. */
  doubted = 0;
  doubtedFailed = 0;
  medianMs = 0;
  /** How many attempts the median rests on, up to what makes it one. */
  samples = 0;
  /** Multiplier of the last ejection's length. */
  ejections = 0;
  /** 0 while in service. */
  ejectedUntilMs = 0;
  /** When it last came back; -Infinity if it was never out. */
  cleanSinceMs = -Infinity;

  constructor(id: string) {
    this.id = id;
  }

  isEjected(): boolean {
    return this.ejectedUntilMs > 0;
  }

  /**
   * Counts a latency. The median is followed by steps up and down in proportion, which needs no memory and which no
   * tail moves far ("Frugal streaming", Ma, Muthukrishnan, Sandler 2013).
   */
  took(latencyMs: number): void {
    this.timed++;
    if (latencyMs > this.group.slowAboveMs) this.slow++;
    const { medianMs } = this;
    if (this.samples === 0) {
      this.medianMs = latencyMs;
      this.samples = 1;
      return;
    }
    const by = this.samples < firstSteps ? firstStep : step;
    if (this.samples < firstSteps) this.samples++;
    if (latencyMs > medianMs) this.medianMs = Math.min(latencyMs, Math.max(medianMs, leastMs) * by);
    else if (latencyMs < medianMs) this.medianMs = Math.max(latencyMs, medianMs / by);
  }

  /** Whether the median rests on enough to compare others with. */
  get isMeasured(): boolean {
    return this.samples >= firstSteps;
  }

  /** Goes on from nothing. */
  reset(): void {
    this.disregard();
    this.consecutive = 0;
    this.pastEnded = this.pastFailed = this.pastTimed = this.pastSlow = 0;
    this.windowEnded = this.windowFailed = 0;
    this.failing = this.failingPlainly = this.lagging = this.doubted = this.doubtedFailed = 0;
    this.medianMs = this.samples = 0;
  }

  /** Forgets what came since the last look. */
  disregard(): void {
    this.ended = this.failed = this.timed = this.slow = 0;
  }
}

/** Below it a median grows by no proportion that would get anywhere. */
const leastMs = 0.01;
