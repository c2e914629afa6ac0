/** Descriptors by protoc, in a form in which equal ones are equal. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { wellKnownFiles } from "../../src/contract/proto/well-known-files.ts";

const program = createRequire(import.meta.url).resolve("protoc/protoc.cjs");

/** The compilers at hand: the one of npm, and the machine's own where there is one. */
export const compilers: readonly { readonly name: string; readonly command: readonly string[] }[] = [
  { name: "protoc of npm", command: [process.execPath, program] },
  ...(hasSystemProtoc() ? [{ name: "protoc of the system", command: ["/usr/bin/protoc"] }] : []),
];

function hasSystemProtoc(): boolean {
  try {
    execFileSync("/usr/bin/protoc", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** What a machine's own protoc may lack: descriptor.proto, which annotations of google/api extend. */
const include = join(dirname(program), "include");

/** Writes files into a folder of their own, which `use` gets; those of google are among them. */
export function inFolder<T>(files: ReadonlyMap<string, string>, use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "meridian-proto-"));
  try {
    const known = [...wellKnownFiles].filter(([path]) => !path.endsWith("descriptor.proto"));
    for (const [path, text] of [...known, ...files]) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What protoc makes of a file, in a form that tells apart only what differs. Throws what protoc complains of. */
export function compiled(
  files: ReadonlyMap<string, string>, path: string, compiler: (typeof compilers)[number] | undefined = compilers[0],
): Record<string, unknown> {
  return inFolder(files, (folder) => {
    const [command = "", ...args] = compiler?.command ?? [];
    const out = join(folder, "set.binpb");
    const folders = [`--proto_path=${folder}`, `--proto_path=${include}`];
    execFileSync(command, [...args, ...folders, `--descriptor_set_out=${out}`, path], { stdio: "pipe" });
    const { file: [file] } = fromBinary(FileDescriptorSetSchema, readFileSync(out));
    return normalized(file) as Record<string, unknown>;
  });
}

/** Bytes of a FileDescriptorSet with all imports. */
export function compiledSet(files: ReadonlyMap<string, string>, path: string): Uint8Array {
  return inFolder(files, (folder) => {
    const [command = "", ...args] = compilers[0]?.command ?? [];
    const out = join(folder, "set.binpb");
    execFileSync(command,
      [...args, `--proto_path=${folder}`, "--include_imports", "--include_source_info", `--descriptor_set_out=${out}`,
        path], { stdio: "pipe" });
    return new Uint8Array(readFileSync(out));
  });
}

/**
 * Without what is inherited, empty or about sources; declarations by name and fields by number, since their order in
 * the text says nothing. Oneofs by name: what belongs to one is told by its fields.
 */
export function normalized(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normalized);
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  const plain: Record<string, unknown> = {};
  const { oneofDecl } = value as { oneofDecl?: { name: string }[] };
  for (const [key, member] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) {
    // Extensions of options, such as google.api.http, are fields that protobuf-es keeps as bytes.
    if (key === "$unknown") plain[key] = (member as UnknownField[]).map(({ no, data }) => [no, [...data]]);
    if (key.startsWith("$") || key === "sourceCodeInfo" || member === undefined) continue;
    const made = normalized(member);
    if (Array.isArray(made) && made.length === 0) continue;
    if (key === "options" && Object.keys(made as object).length === 0) continue;
    plain[key] = Array.isArray(made) && sorted.has(key) ? made.toSorted(byIdentity) : made;
  }
  if (oneofDecl !== undefined && Array.isArray(plain["field"])) {
    for (const field of plain["field"] as { oneofIndex?: unknown }[]) {
      if (typeof field.oneofIndex === "number") field.oneofIndex = oneofDecl[field.oneofIndex]?.name;
    }
  }
  return plain;
}

interface UnknownField {
  readonly no: number;
  readonly data: Uint8Array;
}

const sorted: ReadonlySet<string> = new Set([
  "messageType", "nestedType", "enumType", "service", "field", "oneofDecl", "dependency", "value", "reservedRange",
]);

function byIdentity(a: unknown, b: unknown): number {
  return identity(a) < identity(b) ? -1 : 1;
}

function identity(one: unknown): string {
  if (typeof one === "string") return one;
  const { number = "", name = JSON.stringify(one) } = one as { number?: number; name?: string };
  return String(number).padStart(12) + name;
}
