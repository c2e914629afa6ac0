// Ten thousand connections over HTTP/2, as client and as server, ended by the other side in any way and at any moment.
//
//   node test/soak/http2.ts [CYCLES]
//
// Prints one JSON object a side, and last what is wrong; exits 1 if a call hung, an error escaped, a connection stayed,
// or memory grew.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { soakClient, soakServer } from "./http2-run.ts";
import { growth, reportFaults } from "./verdict.ts";

if (globalThis.gc === undefined) {
  const args = ["--expose-gc", fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  process.exit(spawnSync(process.execPath, args, { stdio: "inherit" }).status ?? 1);
}

const escaped: string[] = [];
process.on("unhandledRejection", (reason) => void escaped.push(`unhandled rejection: ${String(reason)}`));
process.on("uncaughtException", (error) => void escaped.push(`uncaught exception: ${error.stack ?? String(error)}`));

const allFaults: string[] = [];
const cycles = Number(process.argv[2] ?? 10_000);
for (const soak of [soakClient, soakServer]) {
  const result = await soak(cycles);
  const faults = [...escaped.splice(0), ...result.unexpected, ...growth(result.side, result.held)];
  if (result.cycles < cycles) faults.push(`only ${result.cycles} connections ended`);
  if (result.side === "client" && result.succeeded < result.calls / 4) {
    faults.push(`only ${result.succeeded} of ${result.calls} calls succeeded`);
  }
  if (result.calls === 0) faults.push("no call arrived");
  console.log(JSON.stringify({ ...result, faults }));
  allFaults.push(...faults);
}
reportFaults(allFaults);
