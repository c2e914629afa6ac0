/** A SymbolIndex finds files of Protocol Buffers by name and by what they declare: what reflection answers from. */
import { encodeFileDescriptor } from "./encode-descriptor.ts";
import type { EnumDescriptor, FileDescriptor, MessageDescriptor } from "./file.ts";

export class SymbolIndex {
  readonly #files = new Map<string, FileDescriptor>();
  readonly #bytes = new Map<string, Uint8Array>();
  /** Full names of services, methods, messages, enums, their values, fields and oneofs, to the names of files. */
  readonly #symbols = new Map<string, string>();
  readonly #messages = new Set<string>();

  /** Takes files with all that they depend on. */
  constructor(files: Iterable<FileDescriptor>) {
    for (const file of files) {
      this.#files.set(file.name, file);
      this.#add(file);
    }
  }

  /** The name of the file that declares this, with or without a leading dot. */
  fileOf(symbol: string): string | undefined {
    return this.#symbols.get(symbol.replace(/^\./, ""));
  }

  has(file: string): boolean {
    return this.#files.has(file);
  }

  isMessage(symbol: string): boolean {
    return this.#messages.has(symbol.replace(/^\./, ""));
  }

  /** A file and all that it depends on, itself first. */
  withDependencies(name: string): readonly string[] {
    const found = new Set<string>([name]);
    for (const one of found) for (const other of this.#files.get(one)?.dependency ?? []) found.add(other);
    return [...found].filter((one) => this.#files.has(one));
  }

  /** The FileDescriptorProto of a file, encoded on first use. */
  bytes(name: string): Uint8Array {
    let bytes = this.#bytes.get(name);
    if (bytes === undefined) {
      bytes = encodeFileDescriptor(this.#files.get(name) as FileDescriptor);
      this.#bytes.set(name, bytes);
    }
    return bytes;
  }

  #add(file: FileDescriptor): void {
    const prefix = file.package === undefined ? "" : `${file.package}.`;
    for (const message of file.messageType ?? []) this.#addMessage(message, prefix, file.name);
    for (const declared of file.enumType ?? []) this.#addEnum(declared, prefix, file.name);
    for (const service of file.service ?? []) {
      this.#symbols.set(prefix + service.name, file.name);
      for (const { name } of service.method ?? []) this.#symbols.set(`${prefix}${service.name}.${name}`, file.name);
    }
  }

  #addMessage(message: MessageDescriptor, prefix: string, file: string): void {
    const name = prefix + message.name;
    this.#symbols.set(name, file);
    this.#messages.add(name);
    for (const member of message.field ?? []) this.#symbols.set(`${name}.${member.name}`, file);
    for (const member of message.oneofDecl ?? []) this.#symbols.set(`${name}.${member.name}`, file);
    for (const nested of message.nestedType ?? []) this.#addMessage(nested, `${name}.`, file);
    for (const nested of message.enumType ?? []) this.#addEnum(nested, `${name}.`, file);
  }

  /** Values of an enum have their names in the scope around it. */
  #addEnum(declared: EnumDescriptor, prefix: string, file: string): void {
    this.#symbols.set(prefix + declared.name, file);
    for (const value of declared.value ?? []) this.#symbols.set(prefix + value.name, file);
  }
}
