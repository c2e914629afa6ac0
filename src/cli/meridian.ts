#!/usr/bin/env node
/** The `meridian` program. What it does is in run.ts, so that this file can be nothing but started. */
import { run } from "./run.ts";

process.exitCode = await run(process.argv.slice(2));
