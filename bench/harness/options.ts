// The command line that all benchmarks of calls share, and the names of their cases.
import { parseArgs } from "node:util";
import type { Shape } from "../records.ts";
import type { Load, Timing } from "./load.ts";

export interface Options {
  readonly json: boolean;
  readonly cases: readonly Case[];
  /** Names of contenders, as chosen. */
  readonly systems: readonly string[];
  readonly rounds: number;
  readonly timing: Timing;
}

/** A record's shape and the load it is offered under. */
export interface Case {
  /** `S@64`: 64 callers, each awaits its call; `S@rate:5000`: calls a second; `S@receive`, `S@send`: streams. */
  readonly name: string;
  readonly shape: Shape;
  readonly load: Load;
  /** Whether the connection is secured: the name then ends in `+tls`. */
  readonly tls: boolean;
}

const full = { warmUpMs: 1_000, measureMs: 2_500 };
const quick = { warmUpMs: 500, measureMs: 1_000 };
const leastRounds = 3;

export const usage = [
  "  --json         one JSON object a line on standard output, and nothing else there",
  "  --quick        1 s a measurement rather than 2.5 s: to look, not to report",
  "  --case NAME    only this case, as S@64, M@512 or S@rate:5000; may be repeated",
  "  --system NAME  only this system; may be repeated",
  "  --rate N       the case S@rate:N",
  "  --rounds N     how often everything is measured; medians are reported. Default 3",
].join("\n");

/** The options of this program's command line; says what is wrong with them and ends the process if need be. */
export function optionsOrExit(known: { cases: string[]; systems: string[] }): Options {
  let options: Options;
  try {
    options = readOptions(process.argv.slice(2), known);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage}\n`);
    process.exit(2);
  }
  return options;
}

/** Reads the arguments; throws an error that says what is wrong and what may be said instead. */
export function readOptions(args: readonly string[], known: { cases: string[]; systems: string[] }): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      case: { type: "string", multiple: true, default: [] },
      system: { type: "string", multiple: true, default: [] },
      rate: { type: "string", multiple: true, default: [] },
      rounds: { type: "string", default: String(leastRounds) },
    },
  });
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) {
    throw new Error(`--rounds is ${values.rounds}, expected a whole number from 1 to 100`);
  }
  const systems = values.system.flatMap((list) => list.split(","));
  for (const system of systems) {
    if (!known.systems.includes(system)) {
      throw new Error(`no system is called ${system}; there are ${known.systems.join(", ")}`);
    }
  }
  const named = [...values.case.flatMap((list) => list.split(",")), ...values.rate.map((rate) => `S@rate:${rate}`)];
  return {
    json: values.json,
    cases: (named.length > 0 ? named : known.cases).map(readCase),
    systems: systems.length > 0 ? systems : known.systems,
    rounds,
    timing: values.quick ? quick : full,
  };
}

export function readCase(name: string): Case {
  const [, shape, load, number, secured] = /^([SM])@(rate:|receive|send|)(\d*)(\+tls)?$/.exec(name) ?? [];
  const count = Number(number);
  const tls = secured !== undefined;
  if (shape === "S" && number === "" && (load === "receive" || load === "send")) {
    return { name, shape, load: { kind: load }, tls };
  }
  if ((shape === "S" || shape === "M") && count >= 1 && (load === "" || load === "rate:")) {
    return {
      name, shape, tls,
      load: load === "" ? { kind: "closed", outstanding: count } : { kind: "open", perSecond: count },
    };
  }
  throw new Error(`${name} is no case; cases read S@64, M@512, S@rate:5000, S@receive or S@send, ` +
    "over TLS S@64+tls and so on");
}
