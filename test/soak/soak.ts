// A million calls over ten thousand connections that are cut at random moments.
//
//   node test/soak/soak.ts [CALLS CONNECTIONS]
//
// Prints one JSON object, and last what is wrong; exits 1 if anything was lost, settled twice, or grew.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type SoakOptions, soak } from "./run.ts";
import { faultsOf, reportFaults } from "./verdict.ts";

if (globalThis.gc === undefined) {
  const args = ["--expose-gc", fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  process.exit(spawnSync(process.execPath, args, { stdio: "inherit" }).status ?? 1);
}

const faults: string[] = [];
process.on("unhandledRejection", (reason) => void faults.push(`unhandled rejection: ${String(reason)}`));
process.on("uncaughtException", (error) => void faults.push(`uncaught exception: ${error.stack ?? String(error)}`));

const options: SoakOptions = {
  calls: Number(process.argv[2] ?? 1_000_000), connections: Number(process.argv[3] ?? 10_000),
};
const result = await soak(options);
faults.push(...faultsOf(result, options));
console.log(JSON.stringify({ ...result, faults }, null, 2));
reportFaults(faults);

// The whole soak is that over HTTP/2 too, in a process of its own: what one holds is not the other's.
if (process.argv[2] === undefined) {
  const http2 = fileURLToPath(new URL("http2.ts", import.meta.url));
  const { status } = spawnSync(process.execPath, ["--expose-gc", http2], { stdio: "inherit" });
  if (status !== 0) process.exitCode = 1;
}
