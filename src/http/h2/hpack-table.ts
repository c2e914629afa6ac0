/** The tables of HPACK (RFC 7541, section 2.3): the static one, and a dynamic one as its reader keeps it. */

/** Names and values in turn (appendix A). */
const staticFields = [
  ":authority", "", ":method", "GET", ":method", "POST", ":path", "/", ":path", "/index.html", ":scheme", "http",
  ":scheme", "https", ":status", "200", ":status", "204", ":status", "206", ":status", "304", ":status", "400",
  ":status", "404", ":status", "500", "accept-charset", "", "accept-encoding", "gzip, deflate",
  "accept-language", "", "accept-ranges", "", "accept", "", "access-control-allow-origin", "", "age", "",
  "allow", "", "authorization", "", "cache-control", "", "content-disposition", "", "content-encoding", "",
  "content-language", "", "content-length", "", "content-location", "", "content-range", "", "content-type", "",
  "cookie", "", "date", "", "etag", "", "expect", "", "expires", "", "from", "", "host", "", "if-match", "",
  "if-modified-since", "", "if-none-match", "", "if-range", "", "if-unmodified-since", "", "last-modified", "",
  "link", "", "location", "", "max-forwards", "", "proxy-authenticate", "", "proxy-authorization", "", "range", "",
  "referer", "", "refresh", "", "retry-after", "", "server", "", "set-cookie", "", "strict-transport-security", "",
  "transfer-encoding", "", "user-agent", "", "vary", "", "via", "", "www-authenticate", "",
];

/** One field of a table. */
export interface Entry {
  readonly name: string;
  readonly value: string;
  /** As the sender may see it; with {@link entryOverheadBytes}. */
  readonly size: number;
  /** What is wrong with it by the rules of HTTP, though HPACK may carry it. */
  readonly wrong: string | undefined;
}

/** What a field counts beside its name and value (section 4.1). */
export const entryOverheadBytes = 32;
/** The table's size as long as nobody says otherwise (RFC 9113, section 6.5.2). */
export const initialTableBytes = 4_096;

export function entryOf(name: string, value: string, wrong: string | undefined): Entry {
  return { name, value, size: name.length + value.length + entryOverheadBytes, wrong };
}

/** Index 1 is the first; index 0 is no field. */
export const staticTable: readonly Entry[] = [entryOf("", "", "index 0")];
/** Index of the first static field of a name, and of every value that is in the table beside it. */
export const staticNames = new Map<string, { readonly index: number; readonly values: Map<string, number> }>();

for (let i = 0; i < staticFields.length; i += 2) {
  const name = staticFields[i] as string;
  const value = staticFields[i + 1] as string;
  const index = (staticTable as Entry[]).push(entryOf(name, value, undefined)) - 1;
  let named = staticNames.get(name);
  if (named === undefined) staticNames.set(name, named = { index, values: new Map() });
  named.values.set(value, index);
}

export const staticLength = staticTable.length - 1;

/** The dynamic table of a decoder. */
export class DynamicTable {
  /** Oldest first, from `#first` on. */
  #entries: (Entry | undefined)[] = [];
  #first = 0;
  #size = 0;
  #capacity: number;
  /** Grows with every change, so that what was made of the table's fields is known to be stale. */
  generation = 0;

  constructor(capacityBytes: number) {
    this.#capacity = capacityBytes;
  }

  get size(): number {
    return this.#size;
  }

  get length(): number {
    return this.#entries.length - this.#first;
  }

  /** The field of an index above those of the static table; undefined if there is none. */
  get(index: number): Entry | undefined {
    const at = this.#entries.length - (index - staticLength);
    return at < this.#first ? undefined : this.#entries[at];
  }

  /** A field larger than the table empties it (section 4.4). */
  insert(entry: Entry): void {
    this.generation++;
    this.#evict(this.#capacity - entry.size);
    if (entry.size > this.#capacity) return;
    this.#entries.push(entry);
    this.#size += entry.size;
  }

  resize(capacityBytes: number): void {
    this.#capacity = capacityBytes;
    if (this.#size > capacityBytes) this.generation++;
    this.#evict(capacityBytes);
  }

  #evict(downTo: number): void {
    while (this.#size > 0 && this.#size > downTo) {
      this.#size -= (this.#entries[this.#first] as Entry).size;
      this.#entries[this.#first++] = undefined;
    }
    if (this.#first >= 64 && this.#first * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first);
      this.#first = 0;
    }
  }
}
