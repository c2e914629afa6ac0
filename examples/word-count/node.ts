// One node as a process: counts the chapters that it is asked for. Started by start.ts, and ends with it.
import { setTimeout as sleep } from "node:timers/promises";
import { createServer } from "../../src/index.ts";
import { countWords, Words } from "./contract.ts";

process.once("disconnect", () => process.exit());

// Told so, it gets stuck midway: whoever kills it then kills it with its work half done.
let getsStuck = false;
process.on("message", () => getsStuck = true);

const server = createServer().implement(Words, {
  async *count({ chapters, after }) {
    const counts = [...countWords(chapters)].sort(([a], [b]) => (a < b ? -1 : 1));
    let told = 0;
    for (const [word, count] of counts) {
      if (word <= after) continue;
      // As a disk would: a page at a time.
      if (++told % 50 === 0) await sleep(2);
      if (getsStuck && told === 500) await new Promise<never>(() => undefined);
      yield { word, count };
    }
  },
});
process.send?.(await server.listen());
