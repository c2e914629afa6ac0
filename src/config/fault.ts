/** Faults are what is wrong with a configuration: where, what was expected, what was found, and what was meant. */
import { RpcError } from "../core/error.ts";
import { describePlace, type Place } from "../discovery/services.ts";

/** One thing that is wrong. */
export interface Fault {
  /** The file, or the environment variable (without a line). */
  readonly source: string;
  /** From 1; undefined where the source has no lines, or the value stands in no one place of them. */
  readonly line: number | undefined;
  readonly column: number | undefined;
  /** The keys that lead there: `services["calc.v1.Calculator"].methods.add.timeoutMs`. */
  readonly path: string;
  /** What may stand there; undefined where the message alone says it. */
  readonly expected: string | undefined;
  readonly found: string | undefined;
  /** The nearest right key or word. */
  readonly meant: string | undefined;
  /** The reason in full, without the place. */
  readonly why: string;
}

/** Most faults that are told of one configuration; beyond, only how many there are. */
export const maxFaults = 20;

/** Where something stands in a source. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A text in which places can be found. */
export interface Located {
  /** What messages call it. */
  readonly source: string;
  /** Where a value begins, or its key; the nearest thing around it where it has no text of its own. */
  locate(place: Place, at: "key" | "value"): Position | undefined;
}

/** What a fault says beside its place. */
export interface Wrong {
  readonly why: string;
  readonly expected?: string;
  readonly found?: string;
  readonly meant?: string | undefined;
  readonly at?: "key" | "value";
}

/** Collects faults, a bounded number of them. */
export class Faults {
  readonly list: Fault[] = [];
  /** All of them, those beyond the bound included. */
  count = 0;
  readonly #located: Located;
  /** Environment variables by the place that they set. */
  readonly #variables = new Map<string, string>();

  constructor(located: Located) {
    this.#located = located;
  }

  /** From now on, what is wrong at this place is the variable's fault. */
  setBy(place: Place, variable: string): void {
    this.#variables.set(JSON.stringify(place), variable);
  }

  add(place: Place, { why, expected, found, meant, at = "value" }: Wrong): void {
    const variable = this.#variableOf(place);
    const position = variable === undefined ? this.#located.locate(place, at) : undefined;
    this.push({
      source: variable ?? this.#located.source, line: position?.line, column: position?.column,
      path: describePlace(place), expected, found, meant, why,
    });
  }

  push(fault: Fault): void {
    this.count++;
    if (this.list.length < maxFaults) this.list.push(fault);
  }

  #variableOf(place: Place): string | undefined {
    if (this.#variables.size === 0) return undefined;
    for (let length = place.length; length > 0; length--) {
      const variable = this.#variables.get(JSON.stringify(place.slice(0, length)));
      if (variable !== undefined) return variable;
    }
    return undefined;
  }
}

/** `meridian.yaml:12:5: client.timeoutMs: expected …, found …`. */
export function describeFault({ source, line, column, path, why }: Fault): string {
  const where = line === undefined ? source : `${source}:${line}:${column}`;
  return path === "" ? `${where}: ${why}` : `${where}: ${path}: ${why}`;
}

/** The error of a configuration that is refused: `invalid_argument`, all faults in its message, one a line. */
export function configError(faults: readonly Fault[], count: number = faults.length): RpcError {
  const lines = faults.map(describeFault);
  if (count > faults.length) lines.push(`and ${count - faults.length} more`);
  return new RpcError("invalid_argument", lines.join("\n"), { phase: "validate" });
}
