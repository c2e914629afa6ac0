/**
 * A HeadCache gives one object for byte-identical head sections of one connection, so that who reads heads reads
 * each once. What HPACK's table does for HTTP/2, by plain comparison.
 */
import { latin1 } from "./syntax.ts";

/** Most sections kept, and most bytes of them together: per connection, so a hostile one gains little. */
const maxSections = 32;
const maxCachedBytes = 16_384;
/** A longer section is read anew each time. */
const maxSectionBytes = 4_096;

interface Kept<T> {
  readonly bytes: Uint8Array;
  readonly value: T;
}

export class HeadCache<T> {
  #sections = new Map<string, Kept<T>>();
  #bytes = 0;
  #last: Kept<T> | undefined = undefined;

  /**
   * The length of the section seen last, if the very same bytes stand at `at`; 0 otherwise. A section ends with an
   * empty line, so it is a whole one.
   */
  repeated(bytes: Uint8Array, at: number): number {
    const last = this.#last;
    if (last === undefined) return 0;
    const known = last.bytes;
    const { length } = known;
    if (bytes.length - at < length) return 0;
    for (let i = 0; i < length; i++) if (bytes[at + i] !== known[i]) return 0;
    return length;
  }

  /** What was made of the section seen last. */
  get last(): T {
    return (this.#last as Kept<T>).value;
  }

  /** What was made of the section `bytes[start, end)` before, or `read` makes of it now. */
  find(bytes: Uint8Array, start: number, end: number, read: (bytes: Uint8Array, start: number, end: number) => T): T {
    const length = end - start;
    if (length > maxSectionBytes) return read(bytes, start, end);
    const key = latin1(bytes, start, end);
    let kept = this.#sections.get(key);
    if (kept === undefined) {
      kept = { bytes: new Uint8Array(bytes.subarray(start, end)), value: read(bytes, start, end) };
      this.#bytes += length;
      if (this.#sections.size >= maxSections || this.#bytes > maxCachedBytes) {
        this.#sections.clear();
        this.#bytes = length;
      }
      this.#sections.set(key, kept);
    }
    this.#last = kept;
    return kept.value;
  }

  /** Forgets all: an idle connection keeps nothing. */
  clear(): void {
    this.#sections.clear();
    this.#bytes = 0;
    this.#last = undefined;
  }
}
