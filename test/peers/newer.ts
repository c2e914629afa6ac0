/**
 * Peers that are newer than Debian's, in a folder of the project's own:
 *
 *     node test/peers/newer.ts
 *
 * installs PyPI's thrift 0.25 and avro 1.12. Tests use them where they are, and are skipped by name where not.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { python } from "./programs.ts";

const packages = ["thrift==0.25.0", "avro==1.12.2"];
const cache = fileURLToPath(new URL("../../node_modules/.cache/meridian-peers", import.meta.url));
const folder = `${cache}/python-${packages.join("-").replaceAll("==", "")}`;

/** The folder that Python finds them in; undefined where they are not installed. */
export function newerPython(): string | undefined {
  return existsSync(folder) ? folder : undefined;
}

function install(): void {
  if (existsSync(folder)) return;
  mkdirSync(cache, { recursive: true });
  const making = `${folder}.${process.pid}`;
  try {
    execFileSync(python, ["-m", "pip", "install", "--quiet", "--no-compile", "--target", making, ...packages],
      { stdio: ["ignore", 2, 2], timeout: 120_000 });
    // Two runs may install at once; whoever comes second has its equal already.
    if (!existsSync(folder)) renameSync(making, folder);
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}

if (import.meta.main) install();
