// The control plane: the embedded registry as a process, at the port it is given.
import { hostRegistry } from "../../src/registry/index.ts";
import type { FromLedger } from "./ledger.ts";

process.on("disconnect", () => process.exit());
const { address } = await hostRegistry({ port: Number(process.argv[2] ?? 0) });
process.send?.({ kind: "listening", address } satisfies FromLedger);
