/**
 * A scanner finds the end of a message that nothing measures: what unframed transports carry. It goes over the bytes
 * as they come and never twice, whatever way they were split.
 */
import { RpcError } from "../../core/error.ts";
import { fixedSizeOf, int32At, mostThriftDepth, skipVarint, ThriftType, varintAt } from "../../wire/thrift.ts";
import type { ThriftEncoding } from "./message.ts";

/** What is to be passed over next; the last of them first. */
type Task =
  | { readonly kind: "bytes"; left: number }
  | { readonly kind: "value"; readonly type: number }
  | { readonly kind: "struct" }
  /** Values of the two types in turn; of a list both are the same. */
  | { readonly kind: "items"; left: number; readonly odd: number; readonly even: number };

/** How far one message has been seen. */
export interface Scanner {
  /** Goes on over `bytes[0, length)`, the message's so far; its end, or -1 while that has not come. */
  scan(bytes: Uint8Array, start: number, end: number): number;
}

export function createScanner(encoding: ThriftEncoding, maxBytes: number): Scanner {
  if (encoding === "json") return new JsonScanner();
  return encoding === "binary" ? new BinaryScanner(maxBytes) : new CompactScanner(maxBytes);
}

abstract class StructScanner implements Scanner {
  protected readonly tasks: Task[];
  readonly #maxBytes: number;
  /** From the message's beginning. */
  #seen = 0;

  constructor(maxBytes: number, tasks: Task[]) {
    this.#maxBytes = maxBytes;
    this.tasks = tasks;
  }

  scan(bytes: Uint8Array, start: number, end: number): number {
    let position = start + this.#seen;
    for (let task = this.tasks.at(-1); task !== undefined; task = this.tasks.at(-1)) {
      const next = this.#step(task, bytes, position, end);
      if (next < 0) break;
      position = next;
    }
    this.#seen = position - start;
    return this.tasks.length === 0 ? position : -1;
  }

  /** Goes on with the last task; the position after, or -1 where more bytes are needed. */
  #step(task: Task, bytes: Uint8Array, position: number, end: number): number {
    switch (task.kind) {
      case "bytes": {
        const taken = Math.min(task.left, end - position);
        task.left -= taken;
        if (task.left === 0) this.tasks.pop();
        return task.left > 0 && taken === 0 ? -1 : position + taken;
      }
      case "items":
        if (task.left === 0) this.tasks.pop();
        else this.value(task.left-- % 2 === 0 ? task.even : task.odd);
        return position;
      case "struct": return this.field(bytes, position, end);
      case "value": return this.head(task.type, bytes, position, end);
      default: return task satisfies never;
    }
  }

  protected push(task: Task): void {
    // Each struct and each container is a task, and so is the value that is being read.
    if (this.tasks.length > 2 * mostThriftDepth) throw malformed(`values nested deeper than ${mostThriftDepth}`);
    this.tasks.push(task);
  }

  protected bytes(count: number): void {
    if (count < 0) throw malformed(`a length of ${count}`);
    if (count > this.#maxBytes) throw tooLarge(this.#maxBytes);
    if (count > 0) this.push({ kind: "bytes", left: count });
  }

  protected items(count: number, odd: number, even: number): void {
    if (count < 0) throw malformed(`a count of ${count}`);
    // Every value takes a byte at least.
    if (count > this.#maxBytes) throw tooLarge(this.#maxBytes);
    this.push({ kind: "items", left: count, odd, even });
  }

  protected abstract value(type: number): void;
  protected abstract field(bytes: Uint8Array, position: number, end: number): number;
  protected abstract head(type: number, bytes: Uint8Array, position: number, end: number): number;
}

class BinaryScanner extends StructScanner {
  constructor(maxBytes: number) {
    // Version and type, name, sequence id, arguments.
    super(maxBytes, [
      { kind: "struct" }, { kind: "bytes", left: 4 }, { kind: "value", type: ThriftType.string },
      { kind: "bytes", left: 4 },
    ]);
  }

  protected value(type: number): void {
    const fixed = fixedSizeOf(type);
    if (fixed > 0) this.bytes(fixed);
    else if (type === ThriftType.struct) this.push({ kind: "struct" });
    else this.push({ kind: "value", type });
  }

  protected field(bytes: Uint8Array, position: number, end: number): number {
    if (position >= end) return -1;
    const type = bytes[position] as number;
    if (type === 0) {
      this.tasks.pop();
      return position + 1;
    }
    if (position + 3 > end) return -1;
    this.value(type);
    return position + 3;
  }

  protected head(type: number, bytes: Uint8Array, position: number, end: number): number {
    const headBytes = type === ThriftType.string ? 4 : type === ThriftType.map ? 6 : 5;
    if (type !== ThriftType.string && type !== ThriftType.map && type !== ThriftType.list && type !== ThriftType.set) {
      throw malformed(`a value of type ${type}`);
    }
    if (position + headBytes > end) return -1;
    this.tasks.pop();
    const count = int32At(bytes, position + headBytes - 4);
    if (type === ThriftType.string) {
      this.bytes(count);
    } else {
      const odd = bytes[position + headBytes - 5] as number;
      const size = fixedSizeOf(odd);
      if (type === ThriftType.map) this.items(count * 2, odd, bytes[position] as number);
      else if (size > 0) this.bytes(count * size);
      else this.items(count, odd, odd);
    }
    return position + headBytes;
  }
}

/** Types of the compact protocol that have a head of varying length. */
const [integer, text, list, set, map, struct] = [4, 8, 9, 10, 11, 12] as const;

class CompactScanner extends StructScanner {
  constructor(maxBytes: number) {
    super(maxBytes, [
      { kind: "struct" }, { kind: "value", type: text }, { kind: "value", type: integer },
      { kind: "bytes", left: 2 },
    ]);
  }

  protected value(type: number): void {
    if (type === struct) this.push({ kind: "struct" });
    else if (type >= 1 && type <= 3) this.bytes(1);
    else if (type === 7) this.bytes(8);
    else if (type === 13) this.bytes(16);
    else this.push({ kind: "value", type });
  }

  protected field(bytes: Uint8Array, position: number, end: number): number {
    if (position >= end) return -1;
    const head = bytes[position++] as number;
    if (head === 0) {
      this.tasks.pop();
      return position;
    }
    if (head >> 4 === 0) position = this.#varint(bytes, position, end);
    if (position >= 0 && (head & 15) > 2) this.value(head & 15);
    else if ((head & 15) === 0) throw malformed("a field of type 0");
    return position;
  }

  #varint(bytes: Uint8Array, position: number, end: number): number {
    const next = skipVarint(bytes, position, end);
    if (next < 0 && end - position >= 10) throw malformed("a varint longer than 10 bytes");
    return next;
  }

  protected head(type: number, bytes: Uint8Array, position: number, end: number): number {
    if (type === list || type === set) {
      if (position >= end) return -1;
      const head = bytes[position] as number;
      if (head >> 4 !== 15) return this.#list(head >> 4, head & 15, position + 1);
      const stop = this.#varint(bytes, position + 1, end);
      return stop < 0 ? -1 : this.#list(varintAt(bytes, position + 1, stop), head & 15, stop);
    }
    if (type < 4 || type > map || type === 7) throw malformed(`a value of type ${type}`);
    const stop = this.#varint(bytes, position, end);
    if (stop < 0) return -1;
    const count = varintAt(bytes, position, stop);
    if (type === map && count > 0) {
      if (stop >= end) return -1;
      this.tasks.pop();
      const types = bytes[stop] as number;
      this.items(count * 2, types & 15, types >> 4);
      return stop + 1;
    }
    this.tasks.pop();
    if (type === text) this.bytes(count);
    return stop;
  }

  #list(count: number, of: number, position: number): number {
    this.tasks.pop();
    this.items(count, of, of);
    return position;
  }
}

/** A message is an array; strings may hold brackets. */
class JsonScanner implements Scanner {
  #seen = 0;
  #depth = 0;
  #inText = false;
  #isEscaped = false;

  scan(bytes: Uint8Array, start: number, end: number): number {
    for (let at = start + this.#seen; at < end; at++) {
      const byte = bytes[at] as number;
      if (this.#isEscaped) this.#isEscaped = false;
      else if (this.#inText) {
        if (byte === 0x5c) this.#isEscaped = true;
        else if (byte === 0x22) this.#inText = false;
      } else if (byte === 0x22) this.#inText = true;
      else if (byte === 0x5b || byte === 0x7b) this.#depth++;
      else if ((byte === 0x5d || byte === 0x7d) && --this.#depth <= 0) return at + 1;
      if (this.#depth > 5 * mostThriftDepth) throw malformed(`values nested deeper than ${mostThriftDepth}`);
    }
    this.#seen = end - start;
    return -1;
  }
}

function malformed(what: string): RpcError {
  return new RpcError("invalid_argument", `malformed message: ${what}`, { phase: "decode" });
}

export function tooLarge(maxBytes: number): RpcError {
  return new RpcError("resource_exhausted", `a message of more than ${maxBytes} bytes (maxMessageBytes)`,
    { phase: "decode", retryable: false });
}
