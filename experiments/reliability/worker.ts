// A process of a larger run: plays the seeds that come by standard input.
import { workSeeds } from "../../src/cli/seed-run.ts";
import { reliability } from "./scenario.ts";

await workSeeds(reliability);
