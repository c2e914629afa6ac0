// The descriptors of echo.proto, for protobuf-es: what its generated code would hold.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createFileRegistry, type DescMethod, type DescService, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

/** The service `bench.v1.Echo`, compiled by protoc. */
export function echoService(): DescService {
  const service = createFileRegistry(fromBinary(FileDescriptorSetSchema, compile())).getService("bench.v1.Echo");
  if (service === undefined) throw new Error("echo.proto has no service bench.v1.Echo");
  return service;
}

export function methodOf(service: DescService, name: string): DescMethod {
  const method = service.methods.find((one) => one.name === name);
  if (method === undefined) throw new Error(`${service.typeName} has no method ${name}`);
  return method;
}

function compile(): Uint8Array {
  const directory = mkdtempSync(join(tmpdir(), "meridian-bench-proto-"));
  try {
    const out = join(directory, "echo.binpb");
    const protoc = createRequire(import.meta.url).resolve("protoc/protoc.cjs");
    const folder = fileURLToPath(new URL(".", import.meta.url));
    execFileSync(process.execPath, [protoc, `--proto_path=${folder}`, `--descriptor_set_out=${out}`, "echo.proto"]);
    return readFileSync(out);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
