/**
 * A RecordLog keeps ended calls in memory: a queue of segments of bytes, and an index by key into them.
 *
 * A record costs its outcome, its key and fingerprint, 18 bytes, and 17 to 34 of index; the garbage collector sees a
 * handful of segments rather than a million objects. What is oldest leaves first, a segment at a time.
 */
import { writeText } from "../wire/text.ts";

/** What is asked for before a record is written. */
export interface LogEntry {
  readonly key: string;
  readonly method: string;
  readonly fingerprint: string;
  readonly stampMs: number | undefined;
  readonly expiresMs: number;
  readonly outcome: Uint8Array;
}

export interface LogRecord {
  readonly method: string;
  readonly fingerprint: string;
  readonly isStamped: boolean;
  readonly expiresMs: number;
  readonly outcome: Uint8Array;
}

interface Segment {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView;
  used: number;
  /** Nothing in it lives longer. */
  expiresMs: number;
  /** The latest stamp in it: what must be held for forgotten when it leaves; -Infinity for none. */
  newestStampMs: number;
}

/** Offsets of a record's fields: bytes of key, flags, bytes of fingerprint, method, expiry, outcome's bytes. */
const At = { keyBytes: 0, flags: 2, printBytes: 3, method: 4, expires: 6, outcomeBytes: 14 } as const;
const headBytes = 18;
const stampedFlag = 1;
const deadFlag = 2;
/** Segments are so long, or as long as the one record in them. */
const maxSegmentBytes = 262_144;
const minSegmentBytes = 16_384;
const maxMethods = 65_536;
const slotWords = 3;
/** Up to so many bytes are copied one by one, which is cheaper than a call. */
const fewBytes = 64;
/** Share of slots in use beyond which the index doubles. */
const maxFill = 0.7;

export class RecordLog {
  readonly #segmentBytes: number;
  readonly #segments = new Map<number, Segment>();
  #first = 1;
  #last = 0;
  /**
   * Open addressing with linear probing: hash, segment and offset of each record; segment 0 is an empty slot. With the
   * hash here no record is touched but the one that is sought.
   */
  #slots = new Uint32Array(slotWords * 1_024);
  #mask = 1_023;
  #spare: Uint8Array<ArrayBuffer> | undefined = undefined;
  readonly #methods: string[] = [];
  readonly #methodNumbers = new Map<string, number>();
  #scratch = new Uint8Array(4 * 1_024);
  #keyBytes = 0;
  /** Records that can be found. */
  size = 0;
  /** Bytes of all segments. */
  bytes = 0;
  /** Records without a stamp, and their bytes. */
  unstamped = 0;
  unstampedBytes = 0;

  constructor(maxBytes: number) {
    this.#segmentBytes = Math.min(maxSegmentBytes, Math.max(minSegmentBytes, Math.floor(maxBytes / 64)));
  }

  /** All memory in use: segments and index. */
  get memoryBytes(): number {
    return this.bytes + this.#slots.byteLength;
  }

  get segments(): number {
    return this.#segments.size;
  }

  /** By how much the memory in use grows if a record of so many bytes is appended. */
  growthFor(recordBytes: number): number {
    const last = this.#segments.get(this.#last);
    const fits = last !== undefined && last.used + recordBytes <= last.bytes.length;
    const index = this.size + 1 > (this.#mask + 1) * maxFill ? this.#slots.byteLength : 0;
    return index + (fits ? 0 : Math.max(this.#segmentBytes, recordBytes));
  }

  find(key: string): LogRecord | undefined {
    const slot = this.#slotOf(this.#hash(key));
    if (slot < 0) return undefined;
    const { view, bytes } = this.#segments.get(this.#slots[slot + 1] as number) as Segment;
    const at = this.#slots[slot + 2] as number;
    const keyBytes = view.getUint16(at + At.keyBytes);
    const printAt = at + headBytes + keyBytes;
    const outcomeAt = printAt + (bytes[at + At.printBytes] as number);
    return {
      method: this.#methods[view.getUint16(at + At.method)] as string,
      fingerprint: String.fromCharCode(...bytes.subarray(printAt, outcomeAt)),
      isStamped: ((bytes[at + At.flags] as number) & stampedFlag) !== 0,
      expiresMs: view.getFloat64(at + At.expires),
      outcome: bytes.subarray(outcomeAt, outcomeAt + view.getUint32(at + At.outcomeBytes)),
    };
  }

  /** Writes a record, whose key must not be there yet. False if there are too many methods. */
  append(entry: LogEntry): boolean {
    const method = this.#methodNumber(entry.method);
    if (method === undefined) return false;
    const hash = this.#hash(entry.key);
    const { fingerprint, outcome, stampMs } = entry;
    const length = headBytes + this.#keyBytes + fingerprint.length + outcome.length;
    const [number, segment] = this.#room(length);
    const at = segment.used;
    const { view, bytes } = segment;
    view.setUint16(at + At.keyBytes, this.#keyBytes);
    bytes[at + At.flags] = stampMs === undefined ? 0 : stampedFlag;
    bytes[at + At.printBytes] = fingerprint.length;
    view.setUint16(at + At.method, method);
    view.setFloat64(at + At.expires, entry.expiresMs);
    view.setUint32(at + At.outcomeBytes, outcome.length);
    let to = at + headBytes;
    for (let i = 0; i < this.#keyBytes; i++) bytes[to++] = this.#scratch[i] as number;
    for (let i = 0; i < fingerprint.length; i++) bytes[to++] = fingerprint.charCodeAt(i);
    if (outcome.length > fewBytes) bytes.set(outcome, to);
    else for (let i = 0; i < outcome.length; i++) bytes[to++] = outcome[i] as number;
    segment.used = at + length;
    segment.expiresMs = Math.max(segment.expiresMs, entry.expiresMs);
    if (stampMs === undefined) {
      this.unstamped++;
      this.unstampedBytes += length;
    } else segment.newestStampMs = Math.max(segment.newestStampMs, stampMs);
    this.#put(hash, number, at);
    return true;
  }

  /** Forgets one record. */
  remove(key: string): void {
    const slot = this.#slotOf(this.#hash(key));
    if (slot < 0) return;
    const segment = this.#segments.get(this.#slots[slot + 1] as number) as Segment;
    this.#kill(segment, this.#slots[slot + 2] as number);
    this.#free(slot);
  }

  /** When the last of the oldest segment expires; Infinity without one. */
  get oldestExpiresMs(): number {
    return this.#segments.get(this.#first)?.expiresMs ?? Infinity;
  }

  /**
   * Drops the oldest segment. `kept` is given those of its records without a stamp that have not expired, to be
   * appended again. Returns the latest stamp that was dropped.
   */
  dropOldest(nowMs: number, kept: (entry: LogEntry) => void): number {
    const number = this.#first;
    const segment = this.#segments.get(number);
    if (segment === undefined) return -Infinity;
    const survivors: LogEntry[] = [];
    const { view, bytes } = segment;
    for (let at = 0; at < segment.used; at += this.#lengthAt(segment, at)) {
      const flags = bytes[at + At.flags] as number;
      if ((flags & deadFlag) !== 0) continue;
      if ((flags & stampedFlag) === 0 && view.getFloat64(at + At.expires) > nowMs) {
        survivors.push(this.#entryAt(segment, at));
      }
      this.#kill(segment, at);
      this.#free(this.#slotAt(this.#hashAt(segment, at), number, at));
    }
    this.#segments.delete(number);
    this.#first++;
    this.bytes -= bytes.length;
    if (bytes.length === this.#segmentBytes) this.#spare = bytes;
    for (const entry of survivors) kept(entry);
    return segment.newestStampMs;
  }

  #entryAt({ view, bytes }: Segment, at: number): LogEntry {
    const keyAt = at + headBytes;
    const printAt = keyAt + view.getUint16(at + At.keyBytes);
    const outcomeAt = printAt + (bytes[at + At.printBytes] as number);
    return {
      key: new TextDecoder().decode(bytes.subarray(keyAt, printAt)),
      method: this.#methods[view.getUint16(at + At.method)] as string,
      fingerprint: String.fromCharCode(...bytes.subarray(printAt, outcomeAt)),
      stampMs: undefined, expiresMs: view.getFloat64(at + At.expires),
      outcome: bytes.slice(outcomeAt, outcomeAt + view.getUint32(at + At.outcomeBytes)),
    };
  }

  #lengthAt({ view, bytes }: Segment, at: number): number {
    return headBytes + view.getUint16(at + At.keyBytes) + (bytes[at + At.printBytes] as number) +
      view.getUint32(at + At.outcomeBytes);
  }

  #kill(segment: Segment, at: number): void {
    const flags = segment.bytes[at + At.flags] as number;
    segment.bytes[at + At.flags] = flags | deadFlag;
    if ((flags & stampedFlag) !== 0) return;
    this.unstamped--;
    this.unstampedBytes -= this.#lengthAt(segment, at);
  }

  #methodNumber(method: string): number | undefined {
    const known = this.#methodNumbers.get(method);
    if (known !== undefined) return known;
    if (this.#methods.length >= maxMethods) return undefined;
    this.#methodNumbers.set(method, this.#methods.length);
    return this.#methods.push(method) - 1;
  }

  #room(length: number): readonly [number: number, segment: Segment] {
    const last = this.#segments.get(this.#last);
    if (last !== undefined && last.used + length <= last.bytes.length) return [this.#last, last];
    // What was dropped last is written over: a new one would cost its zeros, and the collector its end.
    const spare = length <= this.#segmentBytes ? this.#spare : undefined;
    if (spare !== undefined) this.#spare = undefined;
    const bytes = spare ?? new Uint8Array(Math.max(this.#segmentBytes, length));
    const segment: Segment = {
      bytes, view: new DataView(bytes.buffer), used: 0, expiresMs: -Infinity, newestStampMs: -Infinity,
    };
    this.#segments.set(++this.#last, segment);
    this.bytes += bytes.length;
    return [this.#last, segment];
  }

  /** Leaves the key's bytes in the scratch. FNV-1a with a final mix, since the low bits choose the slot. */
  #hash(key: string): number {
    const { length } = key;
    if (this.#scratch.length < 3 * length) this.#scratch = new Uint8Array(3 * length);
    const scratch = this.#scratch;
    let hash = 0x811c9dc5;
    let count = 0;
    for (; count < length; count++) {
      const unit = key.charCodeAt(count);
      if (unit > 0x7f) break;
      scratch[count] = unit;
      hash = Math.imul(hash ^ unit, 0x01000193);
    }
    if (count < length) {
      // Keys are ASCII but for those that users make up.
      const written = writeText(scratch, 0, key);
      for (; count < written; count++) hash = Math.imul(hash ^ (scratch[count] as number), 0x01000193);
    }
    this.#keyBytes = count;
    return mixed(hash);
  }

  #hashAt({ view, bytes }: Segment, at: number): number {
    const end = at + headBytes + view.getUint16(at + At.keyBytes);
    let hash = 0x811c9dc5;
    for (let i = at + headBytes; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
    return mixed(hash);
  }

  /** The slot of the key in the scratch; negative if there is none. */
  #slotOf(hash: number): number {
    const slots = this.#slots;
    for (let i = hash & this.#mask; ; i = i + 1 & this.#mask) {
      const slot = i * slotWords;
      const number = slots[slot + 1] as number;
      if (number === 0) return -1;
      if (slots[slot] !== hash) continue;
      if (this.#isKeyAt(this.#segments.get(number) as Segment, slots[slot + 2] as number)) return slot;
    }
  }

  #isKeyAt({ view, bytes }: Segment, at: number): boolean {
    if (view.getUint16(at + At.keyBytes) !== this.#keyBytes) return false;
    for (let i = 0; i < this.#keyBytes; i++) if (bytes[at + headBytes + i] !== this.#scratch[i]) return false;
    return true;
  }

  #slotAt(hash: number, number: number, at: number): number {
    const slots = this.#slots;
    let i = hash & this.#mask;
    while (slots[i * slotWords + 1] !== number || slots[i * slotWords + 2] !== at) i = i + 1 & this.#mask;
    return i * slotWords;
  }

  #put(hash: number, number: number, at: number): void {
    if (++this.size > (this.#mask + 1) * maxFill) this.#enlarge();
    this.#place(hash, number, at);
  }

  #place(hash: number, number: number, at: number): void {
    const slots = this.#slots;
    let i = hash & this.#mask;
    while (slots[i * slotWords + 1] !== 0) i = i + 1 & this.#mask;
    slots[i * slotWords] = hash;
    slots[i * slotWords + 1] = number;
    slots[i * slotWords + 2] = at;
  }

  #enlarge(): void {
    const before = this.#slots;
    this.#slots = new Uint32Array(before.length * 2);
    this.#mask = this.#mask * 2 + 1;
    for (let k = 0; k < before.length; k += slotWords) {
      if (before[k + 1] !== 0) this.#place(before[k] as number, before[k + 1] as number, before[k + 2] as number);
    }
  }

  /** Empties a slot, and moves those after it that were pushed past their own (no tombstones). */
  #free(slot: number): void {
    this.size--;
    const slots = this.#slots;
    const mask = this.#mask;
    let hole = slot / slotWords;
    for (let i = hole + 1 & mask; slots[i * slotWords + 1] !== 0; i = i + 1 & mask) {
      const home = (slots[i * slotWords] as number) & mask;
      // It may move to the hole unless its home lies between the hole and itself.
      if ((i - home & mask) < (i - hole & mask)) continue;
      slots[hole * slotWords] = slots[i * slotWords] as number;
      slots[hole * slotWords + 1] = slots[i * slotWords + 1] as number;
      slots[hole * slotWords + 2] = slots[i * slotWords + 2] as number;
      hole = i;
    }
    slots[hole * slotWords + 1] = 0;
  }
}

function mixed(hash: number): number {
  const once = Math.imul(hash ^ hash >>> 15, 0x2c1b3c6d);
  return (once ^ once >>> 13) >>> 0;
}
