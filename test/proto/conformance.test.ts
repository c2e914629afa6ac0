// The services of the Connect conformance suite there and back: types of several files in one package.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { exportDescriptors } from "../../src/contract/proto/index.ts";
import type { FileDescriptor, MessageDescriptor } from "../../src/contract/proto/index.ts";
import { contractOf } from "../../src/contract/proto/from-descriptor.ts";
import { loadProto } from "../../src/contract/proto/load.ts";
import { readContracts } from "../../src/contract/proto/read-contracts.ts";
import { normalized } from "./descriptors.ts";

const modules = process.env["GOMODCACHE"] ?? join(process.env["GOPATH"] ?? join(homedir(), "go"), "pkg/mod");
const protos = join(modules, "connectrpc.com/conformance@v1.0.7/proto");
const path = "connectrpc/conformance/v1/service.proto";

test("the conformance service is the same after an import and an export", {
  skip: existsSync(join(protos, path)) || process.env["MERIDIAN_REQUIRE"] === "all"
    ? false : "not downloaded: connectrpc.com/conformance",
}, () => {
  const loaded = loadProto([path], (name) => {
    const file = join(protos, name);
    return existsSync(file) ? readFileSync(file, "utf8") : undefined;
  });
  const { services, facts } = readContracts(loaded.files, loaded.roots);
  const exported = exportDescriptors(services.map(contractOf), { facts });
  const [ours, theirs] = [exported, loaded.files].map(declarations);
  assert.ok((ours?.size ?? 0) >= 25, String(ours?.size));
  // What no method needs is not exported; what is, is what it was.
  for (const [name, declaration] of ours ?? []) assert.deepEqual(declaration, theirs?.get(name), name);
  const [service] = exported.flatMap((file) => file.service ?? []);
  assert.deepEqual(normalized(service), normalized(loaded.files.flatMap((file) => file.service ?? [])[0]));
});

/** Messages and enums by full name. */
function declarations(files: readonly FileDescriptor[]): ReadonlyMap<string, unknown> {
  const found = new Map<string, unknown>();
  const visit = (message: MessageDescriptor, prefix: string): void => {
    const { nestedType = [], enumType = [], ...own } = message;
    found.set(prefix + message.name, normalized(own));
    for (const nested of nestedType) visit(nested, `${prefix}${message.name}.`);
    for (const nested of enumType) found.set(`${prefix}${message.name}.${nested.name}`, normalized(nested));
  };
  for (const file of files) {
    const prefix = file.package === undefined ? "" : `${file.package}.`;
    for (const message of file.messageType ?? []) visit(message, prefix);
    for (const declared of file.enumType ?? []) found.set(prefix + declared.name, normalized(declared));
  }
  return found;
}
