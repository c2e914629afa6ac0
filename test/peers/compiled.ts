/** The contract as other languages have it: exported to .proto, compiled by protoc, built by Go. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { exportProto } from "../../src/contract/proto/index.ts";
import { Cities } from "./cities.ts";
import { outputOf } from "./programs.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
const protocProgram = createRequire(import.meta.url).resolve("protoc/protoc.cjs");
const wellKnown = join(dirname(protocProgram), "include");

/** A directory with `cities.proto`, gone when the process ends. */
export function exported(): string {
  const directory = mkdtempSync(join(tmpdir(), "meridian-peers-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, "cities.proto"), exportProto(Cities));
  return directory;
}

/** `cities.proto` and `error.proto` as a descriptor set; the path of its file. */
export async function descriptorSet(directory: string): Promise<string> {
  const out = join(directory, "cities.binpb");
  await outputOf(process.execPath, [protocProgram, ...sources(directory), "--include_imports",
    `--descriptor_set_out=${out}`, "cities.proto", "error.proto"]);
  return out;
}

/** Python's messages, by Debian's protoc: generated code must be no newer than the runtime beside it. */
export async function pythonMessages(directory: string): Promise<void> {
  const out = `--python_out=${directory}`;
  await outputOf("/usr/bin/protoc", [...sources(directory), out, "cities.proto", "error.proto"]);
}

/** A file in ./python. */
export function pythonFile(name: string): string {
  return join(here, "python", name);
}

function sources(directory: string): string[] {
  return [directory, here, wellKnown].map((place) => `--proto_path=${place}`);
}

/** The program in ./go, built once for each state of its sources. */
export async function goPeer(): Promise<string> {
  const folder = join(here, "go");
  const files = ["go.mod", "go.sum", "main.go", "client.go", "server.go"];
  const hash = createHash("sha256");
  for (const file of files) hash.update(readFileSync(join(folder, file)));
  const cache = join(tmpdir(), "meridian-peers-go");
  const program = join(cache, hash.digest("hex").slice(0, 16));
  if (existsSync(program)) return program;
  mkdirSync(cache, { recursive: true });
  const building = `${program}.${process.pid}`;
  await outputOf("go", ["build", "-buildvcs=false", "-o", building, "."], { cwd: folder, timeoutMs: 300_000 });
  // Two runs may build at once; whoever comes second replaces a program with its equal.
  renameSync(building, program);
  return program;
}
