// A process that stands for election: `node candidate.ts ENGINE ADDRESS ID`. It is there to be killed and stopped.
// Prints a line for what happens, and every few milliseconds until when its term is sure to hold, by the machine's own
// clock.
import { electionEngines } from "./engines.ts";

const [engine = "", address = "", id = ""] = process.argv.slice(2);
const elections = electionEngines[engine]?.elections(address);
/** Milliseconds of the machine's monotonic clock, which all processes share. */
const machineMs = (): number => Number(process.hrtime.bigint()) / 1e6;
const print = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

const candidacy = elections?.campaign("seat", { id }, {
  elected: (term) => print({ what: "elected", token: String(term.token), atMs: machineMs() }),
  ended: (term, why) => print({ what: "ended", token: String(term.token), atMs: machineMs(), why }),
});
setInterval(() => {
  const term = candidacy?.term;
  // Whoever sees this has seen a leader act: the moment is what no other leader's may coincide with.
  if (term !== undefined) print({ what: "acts", token: String(term.token), atMs: machineMs() });
}, 10);
