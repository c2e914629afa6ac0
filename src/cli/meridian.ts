#!/usr/bin/env node
/** The `meridian` program. What it does is in run.ts, so that this file can be nothing but started. */
import { run } from "./run.ts";

// Whoever reads may go before the end (`| head`), which is no error; a full disk is one.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") process.stderr.write(`meridian: standard output cannot be written: ${error.message}\n`);
  process.exit(error.code === "EPIPE" ? 0 : 1);
});

process.exitCode = await run(process.argv.slice(2));
