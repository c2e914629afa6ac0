/**
 * A detector joins what is known against one endpoint into one verdict, with the evidence it rests on.
 *
 * Each kind of evidence is held at most once, by whoever watches for it; the gravest decides. A verdict is never
 * reached by adding up: silence, a failed probe and bad answers are different things, and each has its own way back.
 */

/** From well to worst; `fit` is the absence of evidence. */
export type Verdict = "fit" | "busy" | "suspect" | "ejected" | "draining";

/**
 * - `silence`: the connection owes a sign of life;
 * - `probe`: active probes failed, where no traffic tells;
 * - `outlier`: our own calls went worse than with its peers;
 * - `load`: the server reported that it is full;
 * - `server`: the server asked for no new calls;
 * - `operator`: somebody here took it out of service.
 */
export type EvidenceKind = "silence" | "probe" | "outlier" | "load" | "server" | "operator";

export interface Evidence {
  readonly kind: EvidenceKind;
  readonly verdict: Exclude<Verdict, "fit">;
  /** For people: what was seen, with figures. */
  readonly why: string;
  /** Clock time since when it has been held, in milliseconds. */
  readonly sinceMs: number;
}

export interface Detector {
  readonly verdict: Verdict;
  /** What the verdict rests on, gravest first; empty for `fit`. */
  readonly evidence: readonly Evidence[];
  /** Holds evidence, instead of earlier one of its kind. Answers whether the verdict changed. */
  accuse(kind: EvidenceKind, verdict: Evidence["verdict"], why: string, nowMs: number): boolean;
  /** Drops the evidence of a kind. Answers whether the verdict changed. */
  acquit(kind: EvidenceKind): boolean;
}

const gravity: Readonly<Record<Verdict, number>> = { fit: 0, busy: 1, suspect: 2, ejected: 3, draining: 4 };

const nothing: readonly Evidence[] = Object.freeze([]);

/** A detector that holds nothing against its endpoint. It keeps at most one piece of evidence a kind. */
export function detector(): Detector {
  let evidence = nothing;

  function replace(kind: EvidenceKind, added: Evidence | undefined): boolean {
    const before = verdictOf(evidence);
    const kept = evidence.filter((one) => one.kind !== kind);
    if (added !== undefined) kept.push(added);
    kept.sort((a, b) => gravity[b.verdict] - gravity[a.verdict]);
    evidence = kept.length === 0 ? nothing : kept;
    return verdictOf(evidence) !== before;
  }

  return {
    get verdict() {
      return verdictOf(evidence);
    },
    get evidence() {
      return evidence;
    },
    accuse: (kind, verdict, why, nowMs) => {
      const known = evidence.find((one) => one.kind === kind);
      const sinceMs = known?.verdict === verdict ? known.sinceMs : nowMs;
      return replace(kind, { kind, verdict, why, sinceMs });
    },
    acquit: (kind) => evidence.some((one) => one.kind === kind) && replace(kind, undefined),
  };
}

/** The gravest verdict of a list that is sorted by gravity. */
function verdictOf(evidence: readonly Evidence[]): Verdict {
  return evidence[0]?.verdict ?? "fit";
}
