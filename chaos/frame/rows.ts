// What a scenario is, and the rows that it gives.

/** One figure. With `--json` each is a line. */
export interface Row {
  readonly scenario: string;
  readonly property: string;
  /** Null where it could not be measured on this machine; `note` says why. */
  readonly value: number | null;
  readonly unit: string;
  /** In words; null for a figure that is only told. */
  readonly goal: string | null;
  /** Null for a figure without a goal, and for one that could not be measured here. */
  readonly met: boolean | null;
  /** What else should be known of it. */
  readonly note?: string;
}

export interface RunOptions {
  /** Shorter, for a test run: the same faults, looked at for less time. */
  readonly quick: boolean;
  /** Says how far it is; not for standard output, which is the rows'. */
  progress(text: string): void;
}

/** What a file of chaos/ exports as `scenario`. Whatever it starts has ended when its rows have. */
export interface Scenario {
  readonly about: string;
  run(options: RunOptions): AsyncIterable<Row>;
}

/** A row whose goal is to be at most so much. */
export function atMost(scenario: string, property: string, value: number, most: number, unit: string): Row {
  return { scenario, property, value, unit, goal: `at most ${most}`, met: value <= most };
}

/** A row whose goal is to be at least so much. */
export function atLeast(scenario: string, property: string, value: number, least: number, unit: string): Row {
  return { scenario, property, value, unit, goal: `at least ${least}`, met: value >= least };
}

/** A figure that is only told. */
export function told(scenario: string, property: string, value: number | null, unit: string, note?: string): Row {
  return { scenario, property, value, unit, goal: null, met: null, ...(note === undefined ? undefined : { note }) };
}

/** The same row, with what else should be known of it, if anything. */
export function withNote(row: Row, note: string | undefined): Row {
  return note === undefined || note === "" ? row : { ...row, note };
}

/** What could not be measured on this machine, and why. */
export function notMeasured(scenario: string, property: string, goal: string, note: string): Row {
  return { scenario, property, value: null, unit: "", goal, met: null, note };
}
