/**
 * An HpackDecoder makes heads of header blocks (RFC 7541), in the order in which they arrive.
 *
 * Blocks repeat on a connection, byte for byte; so it remembers which head came of which bytes, for as long as its
 * table stays as it is, and gives the same object again.
 */
import { Head } from "../message.ts";
import { ErrorCode } from "./constants.ts";
import { fault } from "./failure.ts";
import { fieldFault, isMethod } from "./fields.ts";
import { DynamicTable, type Entry, entryOf, entryOverheadBytes, initialTableBytes, staticLength, staticTable }
  from "./hpack-table.ts";
import { latin1, readHuffman } from "./huffman.ts";

/** A head as it was received, and what was wrong with it. */
export class ReceivedHead extends Head {
  /** What `content-length` promises; -1 if nothing. */
  contentLength = -1;
  /** Why the message is malformed (RFC 9113, section 8.1.1), which ends its stream and nothing else. */
  wrong: string | undefined = undefined;
  /** Why it is more than was allowed. Its fields are not complete. */
  excess: string | undefined = undefined;
}

export interface DecoderLimits {
  /** Bytes of the dynamic table. */
  readonly headerTableBytes: number;
  /** Bytes of names and values, with 32 for each field. */
  readonly maxHeaderListBytes: number;
  readonly maxHeaderFields: number;
}

interface Kept {
  readonly block: Uint8Array;
  readonly head: ReceivedHead;
  readonly generation: number;
}

/** Heads kept, and the size of what may be. */
const keptHeads = 64;
const maxKeptBlockBytes = 512;
const maxKeptListBytes = 4_096;

export class HpackDecoder {
  readonly #limits: DecoderLimits;
  readonly #side: "request" | "response";
  readonly #table: DynamicTable;
  readonly #kept: (Kept | undefined)[] = new Array<Kept | undefined>(keptHeads).fill(undefined);
  /** Hashes of blocks that came once: only what comes twice is worth keeping. */
  readonly #seen = new Int32Array(keptHeads);
  #bytes: Uint8Array = nothing;
  #position = 0;
  #end = 0;

  /** `side` is what it decodes. */
  constructor(side: "request" | "response", limits: DecoderLimits) {
    this.#side = side;
    this.#limits = limits;
    // Until the peer has read our settings, it has a table of the initial size.
    this.#table = new DynamicTable(initialTableBytes);
  }

  /**
   * The head of the block `bytes[start, end)`. Throws a ConnectionFault (COMPRESSION_ERROR) if it is no HPACK: what
   * follows could not be understood either.
   */
  decode(bytes: Uint8Array, start: number, end: number): ReceivedHead {
    const size = end - start;
    if (size > maxKeptBlockBytes) return this.#decode(bytes, start, end).head;
    let hash = 0x811c_9dc5;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x0100_0193);
    const slot = (hash >>> 16 ^ hash) & keptHeads - 1;
    const { generation } = this.#table;
    const kept = this.#kept[slot];
    if (kept !== undefined && kept.generation === generation && isSame(kept.block, bytes, start, size)) {
      return kept.head;
    }
    const { head, listBytes } = this.#decode(bytes, start, end);
    if (this.#table.generation === generation && listBytes <= maxKeptListBytes && head.wrong === undefined) {
      if (this.#seen[slot] === hash) {
        this.#kept[slot] = { block: new Uint8Array(bytes.subarray(start, end)), head, generation };
      }
      this.#seen[slot] = hash;
    }
    return head;
  }

  #decode(bytes: Uint8Array, start: number, end: number): HeadBuilder {
    this.#bytes = bytes;
    this.#position = start;
    this.#end = end;
    const builder = new HeadBuilder(this.#side, this.#limits);
    let mayResize = true;
    while (this.#position < end) {
      const first = bytes[this.#position] as number;
      if (first >= 0x80) {
        builder.add(this.#at(this.#integer(0x7f)));
      } else if (first >= 0x40) {
        const entry = this.#literal(0x3f);
        this.#table.insert(entry);
        builder.add(entry);
      } else if (first >= 0x20) {
        if (!mayResize) throw fault(ErrorCode.compression, "a table size update stands behind a field");
        this.#resize(this.#integer(0x1f));
        continue;
      } else {
        builder.add(this.#literal(0x0f));
      }
      mayResize = false;
    }
    this.#bytes = nothing;
    builder.complete();
    return builder;
  }

  #resize(size: number): void {
    if (size > Math.max(this.#limits.headerTableBytes, initialTableBytes)) {
      throw fault(ErrorCode.compression,
        `a table size update to ${size} bytes exceeds headerTableBytes ${this.#limits.headerTableBytes}`);
    }
    this.#table.resize(size);
  }

  #at(index: number): Entry {
    const entry = index <= staticLength ? staticTable[index] : this.#table.get(index);
    if (entry === undefined || index === 0) throw fault(ErrorCode.compression, `no field has index ${index}`);
    return entry;
  }

  #literal(mask: number): Entry {
    const index = this.#integer(mask);
    const named = index === 0 ? undefined : this.#at(index);
    const name = named === undefined ? this.#text() : named.name;
    const value = this.#text();
    return entryOf(name, value, fieldFault(name, value));
  }

  /** An integer whose first byte has room for `mask` (RFC 7541, section 5.1). */
  #integer(mask: number): number {
    let value = this.#byte() & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.#byte();
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw fault(ErrorCode.compression, "an integer exceeds 2^28");
  }

  #byte(): number {
    if (this.#position >= this.#end) throw fault(ErrorCode.compression, "a header block ends within a field");
    return this.#bytes[this.#position++] as number;
  }

  #text(): string {
    const isHuffman = this.#position < this.#end && (this.#bytes[this.#position] as number) >= 0x80;
    const length = this.#integer(0x7f);
    const start = this.#position;
    if (length > this.#end - start) throw fault(ErrorCode.compression, "a header block ends within a text");
    this.#position = start + length;
    if (!isHuffman) return latin1(this.#bytes, start, start + length);
    const text = readHuffman(this.#bytes, start, start + length);
    if (text === undefined) throw fault(ErrorCode.compression, "a text is no Huffman code");
    return text;
  }
}

const nothing = new Uint8Array(0);

function isSame(block: Uint8Array, bytes: Uint8Array, start: number, size: number): boolean {
  if (block.length !== size) return false;
  for (let i = 0; i < size; i++) if (block[i] !== bytes[start + i]) return false;
  return true;
}

/** Collects the fields of one block and says what is wrong with the whole. */
class HeadBuilder {
  readonly #side: "request" | "response";
  readonly #limits: DecoderLimits;
  readonly #fields = Object.create(null) as Record<string, string>;
  listBytes = 0;
  #count = 0;
  #wrong: string | undefined = undefined;
  #excess: string | undefined = undefined;
  #hasFields = false;
  #method: string | undefined = undefined;
  #path: string | undefined = undefined;
  #scheme: string | undefined = undefined;
  #authority: string | undefined = undefined;
  #status: string | undefined = undefined;
  head: ReceivedHead = noHead;

  constructor(side: "request" | "response", limits: DecoderLimits) {
    this.#side = side;
    this.#limits = limits;
  }

  add(entry: Entry): void {
    const { name, value } = entry;
    this.listBytes += name.length + value.length + entryOverheadBytes;
    this.#count++;
    const { maxHeaderListBytes, maxHeaderFields } = this.#limits;
    if (this.listBytes > maxHeaderListBytes || this.#count > maxHeaderFields) {
      this.#excess ??= this.#count > maxHeaderFields
        ? `more than ${maxHeaderFields} fields (maxHeaderFields)`
        : `more than ${maxHeaderListBytes} bytes of fields (maxHeaderListBytes)`;
      return;
    }
    if (entry.wrong !== undefined) this.#wrong ??= entry.wrong;
    if (name.charCodeAt(0) === 0x3a) {
      this.#pseudo(name, value);
      return;
    }
    this.#hasFields = true;
    const former = this.#fields[name];
    this.#fields[name] = former === undefined ? value : `${former}${name === "cookie" ? "; " : ", "}${value}`;
  }

  #pseudo(name: string, value: string): void {
    if (this.#hasFields) this.#wrong ??= `${name} stands behind a field`;
    let former: string | undefined;
    if (name === ":status" && this.#side === "response") {
      former = this.#status;
      this.#status = value;
    } else if (this.#side === "response") {
      this.#wrong ??= `${name.slice(0, 64)} is no field of responses`;
    } else if (name === ":path") {
      former = this.#path;
      this.#path = value;
    } else if (name === ":method") {
      former = this.#method;
      this.#method = value;
    } else if (name === ":scheme") {
      former = this.#scheme;
      this.#scheme = value;
    } else if (name === ":authority") {
      former = this.#authority;
      this.#authority = value;
    } else {
      this.#wrong ??= `${name.slice(0, 64)} is no field of requests`;
    }
    if (former !== undefined) this.#wrong ??= `${name} stands there twice`;
  }

  /** Makes the head. */
  complete(): void {
    const fields = this.#fields;
    const status = this.#statusNumber();
    if (this.#side === "request") this.#wrong ??= this.#requestFault();
    const head = new ReceivedHead(fields, status, this.#method, this.#path, this.#scheme,
      this.#authority ?? (this.#method === undefined ? "" : fields["host"]));
    const promised = fields["content-length"];
    if (promised !== undefined) {
      if (/^\d{1,15}$/.test(promised)) head.contentLength = Number(promised);
      else this.#wrong ??= `content-length is ${JSON.stringify(promised.slice(0, 32))}`;
    }
    head.wrong = this.#wrong;
    head.excess = this.#excess;
    this.head = head;
  }

  #statusNumber(): number {
    const text = this.#status;
    if (text === undefined) return 0;
    const status = Number(text);
    if (text.length === 3 && status >= 100 && status <= 999 && status !== 101) return status;
    this.#wrong ??= `:status is ${JSON.stringify(text.slice(0, 16))}`;
    return 0;
  }

  /** Trailers have none of these; so a head that has any must have all (RFC 9113, section 8.3.1). */
  #requestFault(): string | undefined {
    const method = this.#method;
    const path = this.#path;
    const scheme = this.#scheme;
    if (method === undefined) {
      return path === undefined && scheme === undefined && this.#authority === undefined
        ? undefined : "a request without :method";
    }
    if (!isMethod(method)) return `:method is ${JSON.stringify(method.slice(0, 32))}`;
    if (method === "CONNECT") {
      return path === undefined && scheme === undefined && this.#authority !== undefined
        ? undefined : "CONNECT has :authority, but neither :scheme nor :path";
    }
    if (scheme === undefined || scheme === "") return "a request without :scheme";
    if (path === undefined || path === "") return "a request without :path";
    return path.charCodeAt(0) === 0x2f || path === "*" ? undefined : `:path does not begin with a slash`;
  }
}

const noHead = new ReceivedHead(Object.create(null) as Record<string, string>);
