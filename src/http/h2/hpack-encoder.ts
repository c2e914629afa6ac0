/**
 * An HpackEncoder makes header blocks of heads (RFC 7541) and keeps those of heads that are sent often.
 *
 * What is sent twice goes into the peer's table, until that is full; nothing is ever evicted for something new. So
 * the table soon stays as it is, and a block once made stays good. Secrets and what differs from message to message
 * never enter it.
 */
import { RpcError } from "../../core/error.ts";
import { Writer } from "../../wire/writer.ts";
import type { Head } from "../message.ts";
import { fieldFault } from "./fields.ts";
import { entryOverheadBytes, initialTableBytes, staticLength, staticNames } from "./hpack-table.ts";
import { huffmanLength, writeHuffman } from "./huffman.ts";

/** Blocks kept, and fields remembered as sent once. */
const keptBlocks = 128;
const seenFields = 256;
const maxKeptBlockBytes = 2_048;
/** Shorter texts are not worth compressing. */
const minHuffmanLength = 5;

/** Lists of more fields are not kept for the next head. */
const maxGathered = 256;

/** Values of these differ from message to message. */
const varying = new Set(["grpc-timeout", "content-length", "grpc-message", "connect-timeout-ms", "date"]);
/** Values of these must not be guessed from how well they compress (RFC 7541, section 7.1). */
const secret = new Set(["authorization", "proxy-authorization", "set-cookie"]);
/** Longer cookies cannot be guessed. */
const shortCookie = 20;

let lastSentAs = 0;

interface Kept {
  readonly head: Head;
  readonly generation: number;
  readonly block: Uint8Array;
}

/** Indices of one name in the peer's dynamic table: as counted from its beginning, oldest 1. */
interface Named {
  latest: number;
  readonly values: Map<string, number>;
}

export class HpackEncoder {
  readonly #writer = new Writer(512);
  #capacity: number;
  readonly #mostCapacity: number;
  #size = 0;
  readonly #names = new Map<string, Named>();
  /** Fields inserted since the table was empty. */
  #inserted = 0;
  /** Grows with every change of the table. */
  #generation = 0;
  /** The smallest size that the next block must begin with, and whether there is one. */
  #leastCapacity: number;
  #mustResize = false;
  readonly #kept: (Kept | undefined)[] = new Array<Kept | undefined>(keptBlocks).fill(undefined);
  readonly #seenHeads = new Int32Array(keptBlocks);
  readonly #seenFields = new Int32Array(seenFields);
  /** The fields of the head being encoded, and where the tables have them: below zero, as they were inserted. */
  readonly #gatheredNames: string[] = [];
  readonly #gatheredValues: string[] = [];
  readonly #gatheredIndices: number[] = [];
  #count = 0;

  /** Uses at most `tableBytes` of the peer's table. */
  constructor(tableBytes: number) {
    this.#mostCapacity = tableBytes;
    this.#capacity = initialTableBytes;
    this.#leastCapacity = initialTableBytes;
    if (tableBytes < initialTableBytes) this.#resize(tableBytes);
  }

  /** The peer's settings say how large its table may be. */
  peerTableBytes(bytes: number): void {
    const capacity = Math.min(bytes, this.#mostCapacity);
    if (capacity !== this.#capacity) this.#resize(capacity);
  }

  #resize(capacity: number): void {
    this.#leastCapacity = this.#mustResize ? Math.min(this.#leastCapacity, capacity) : capacity;
    this.#mustResize = true;
    this.#capacity = capacity;
    if (this.#size <= this.#leastCapacity) return;
    // Simpler than to evict as the peer will, and as rare: begin again with an empty table.
    this.#leastCapacity = 0;
    this.#size = 0;
    this.#inserted = 0;
    this.#names.clear();
    this.#generation++;
  }

  /**
   * The header block of `head`, good until the next call. Throws `invalid_argument` naming a field that HTTP/2 cannot
   * carry; the table is then as before.
   */
  encode(head: Head): Uint8Array {
    if (head.sentAs === 0) head.sentAs = lastSentAs = lastSentAs % 0x7fff_ffff + 1;
    const slot = head.sentAs & keptBlocks - 1;
    const kept = this.#kept[slot];
    if (kept !== undefined && kept.head === head && kept.generation === this.#generation && !this.#mustResize) {
      return kept.block;
    }
    this.#gather(head);
    const isResize = this.#mustResize;
    const generation = this.#generation;
    const writer = this.#writer;
    writer.position = 0;
    if (isResize) this.#writeResize();
    this.#writeGathered();
    const block = writer.bytes.subarray(0, writer.position);
    if (isResize || generation !== this.#generation || block.length > maxKeptBlockBytes) return block;
    if (this.#seenHeads[slot] === head.sentAs) {
      this.#kept[slot] = { head, generation, block: new Uint8Array(block) };
    }
    this.#seenHeads[slot] = head.sentAs;
    return block;
  }

  #writeResize(): void {
    this.#mustResize = false;
    if (this.#leastCapacity < this.#capacity) writeInteger(this.#writer, 0x20, 0x1f, this.#leastCapacity);
    writeInteger(this.#writer, 0x20, 0x1f, this.#capacity);
    this.#leastCapacity = this.#capacity;
  }

  /** Looks up every field, and checks those that no table has: throws before anything is written. */
  #gather(head: Head): void {
    this.#count = 0;
    if (head.status !== 0) this.#look(":status", String(head.status));
    if (head.method !== "") {
      this.#look(":method", head.method);
      if (head.method !== "CONNECT") {
        this.#look(":scheme", head.scheme);
        this.#look(":path", head.path);
      }
      if (head.authority !== "") this.#look(":authority", head.authority);
    }
    const { fields } = head;
    for (const name in fields) {
      if (name.charCodeAt(0) === 0x3a) throw unsayable(`${name} is not for fields`);
      this.#look(name, fields[name] as string);
    }
  }

  #look(name: string, value: string): void {
    const inserted = this.#names.get(name)?.values.get(value);
    const found = inserted === undefined ? staticNames.get(name)?.values.get(value) ?? 0 : -inserted;
    if (found === 0) checkField(name, value);
    const at = this.#count++;
    this.#gatheredNames[at] = name;
    this.#gatheredValues[at] = value;
    this.#gatheredIndices[at] = found;
  }

  #writeGathered(): void {
    const writer = this.#writer;
    for (let i = 0; i < this.#count; i++) {
      const found = this.#gatheredIndices[i] as number;
      if (found === 0) this.#field(this.#gatheredNames[i] as string, this.#gatheredValues[i] as string);
      else writeInteger(writer, 0x80, 0x7f, found > 0 ? found : this.#indexOf(-found));
    }
    if (this.#count <= maxGathered) return;
    this.#gatheredNames.length = this.#gatheredValues.length = this.#gatheredIndices.length = 0;
  }

  /** A field that no table has. */
  #field(name: string, value: string): void {
    const writer = this.#writer;
    const named = this.#names.get(name);
    const nameIndex = staticNames.get(name)?.index ?? (named === undefined ? 0 : this.#indexOf(named.latest));
    const isSecret = secret.has(name) || name === "cookie" && value.length < shortCookie;
    if (!isSecret && this.#isWorthInserting(name, value)) {
      writeInteger(writer, 0x40, 0x3f, nameIndex);
      this.#insert(name, value, named);
    } else {
      writeInteger(writer, isSecret ? 0x10 : 0, 0x0f, nameIndex);
    }
    if (nameIndex === 0) writeString(writer, name);
    writeString(writer, value);
  }

  #indexOf(inserted: number): number {
    return staticLength + 1 + this.#inserted - inserted;
  }

  #isWorthInserting(name: string, value: string): boolean {
    const size = name.length + value.length + entryOverheadBytes;
    if (this.#size + size > this.#capacity || varying.has(name)) return false;
    if (name === ":path" && value.includes("?")) return false;
    let hash = name.length;
    for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x0100_0193);
    for (let i = 0; i < value.length; i++) hash = Math.imul(hash ^ value.charCodeAt(i), 0x0100_0193);
    const slot = (hash >>> 16 ^ hash) & seenFields - 1;
    if (this.#seenFields[slot] === hash) return true;
    this.#seenFields[slot] = hash;
    return false;
  }

  #insert(name: string, value: string, named: Named | undefined): void {
    this.#generation++;
    this.#size += name.length + value.length + entryOverheadBytes;
    const inserted = ++this.#inserted;
    if (named === undefined) {
      this.#names.set(name, { latest: inserted, values: new Map([[value, inserted]]) });
    } else {
      named.latest = inserted;
      named.values.set(value, inserted);
    }
  }
}

/** An integer behind the bits `pattern`, with room for `mask` in the first byte (RFC 7541, section 5.1). */
function writeInteger(writer: Writer, pattern: number, mask: number, value: number): void {
  writer.ensure(6);
  const { bytes } = writer;
  let { position } = writer;
  if (value < mask) {
    bytes[position++] = pattern | value;
  } else {
    bytes[position++] = pattern | mask;
    value -= mask;
    for (; value >= 0x80; value >>>= 7) bytes[position++] = value & 0x7f | 0x80;
    bytes[position++] = value;
  }
  writer.position = position;
}

function writeString(writer: Writer, text: string): void {
  const { length } = text;
  const packed = length < minHuffmanLength ? length : huffmanLength(text);
  if (packed < length) {
    writeInteger(writer, 0x80, 0x7f, packed);
    writer.ensure(packed);
    writer.position = writeHuffman(writer.bytes, writer.position, text);
    return;
  }
  writeInteger(writer, 0, 0x7f, length);
  writer.ensure(length);
  const { bytes } = writer;
  let { position } = writer;
  for (let i = 0; i < length; i++) bytes[position++] = text.charCodeAt(i);
  writer.position = position;
}

/** Throws `invalid_argument` naming the field of a head that HTTP/2 cannot carry. */
export function checkHead(head: Head): void {
  const { fields } = head;
  for (const name in fields) {
    if (name.charCodeAt(0) === 0x3a) throw unsayable(`${name} is not for fields`);
    checkField(name, fields[name]);
  }
  if (head.method === "") return;
  checkField(":method", head.method);
  checkField(":scheme", head.scheme);
  checkField(":path", head.path);
  checkField(":authority", head.authority);
}

function checkField(name: string, value: unknown): void {
  const wrong = typeof value === "string" ? fieldFault(name, value) : `the value of ${name} is ${typeof value}`;
  if (wrong !== undefined) throw unsayable(wrong);
}

function unsayable(wrong: string): RpcError {
  return new RpcError("invalid_argument", `HTTP/2 cannot carry this head: ${wrong}`, { phase: "encode" });
}
