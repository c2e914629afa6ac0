/**
 * Parses plain XML, which is what writers of records write: elements without attributes, text, and XML's own five
 * entities. At anything else it gives up, as at anything wrong, and saxes reads the document from its beginning.
 */
import { gaveUp } from "../protobuf/gave-up.ts";
import type { ElementReader, MembersReader } from "./read.ts";

/** What is no character of XML, and the carriage return, which is read as a line feed. */
// oxlint-disable-next-line no-control-regex
const odd = /[\0-\u0008\u000b-\u001f\ufffe\uffff]/;
const entity = /&(amp|lt|gt|quot|apos);|&/g;
const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
const prolog = /^(?:<\?xml version="1\.0"(?: encoding="(?:UTF|utf)-8")?\?>)?[ \t\n]*<([A-Za-z_][\w.-]*)>/;

/** What {@link parsePlain} answers where it gave up. */
export const notPlain: unique symbol = Symbol("not plain");

/** The value of a document whose root is what `root` says; `notPlain` where it holds anything unusual. */
export function parsePlain(root: ElementReader, text: string, maxElements: number): unknown {
  if (odd.test(text) || text.includes("]]>")) return notPlain;
  const begun = prolog.exec(text);
  if (begun === null) return notPlain;
  const plain = new Plain(text, begun[0].length, maxElements);
  try {
    const value = plain.element(root, begun[1] as string, 1);
    return plain.isAtEnd() ? value : notPlain;
  } catch {
    return notPlain;
  }
}

class Plain {
  readonly #text: string;
  readonly #maxElements: number;
  #at: number;

  constructor(text: string, at: number, maxElements: number) {
    this.#text = text;
    this.#at = at;
    this.#maxElements = maxElements;
  }

  isAtEnd(): boolean {
    this.#blank();
    return this.#at === this.#text.length;
  }

  /** Reads the rest of an element whose opening tag was passed, its closing tag too. */
  element(reader: ElementReader, name: string, depth: number): unknown {
    if (depth > this.#maxElements) throw gaveUp;
    return reader.kind === "text" ? this.#content(reader.read, name) : this.#members(reader, name, depth);
  }

  #content(read: (text: string) => unknown, name: string): unknown {
    const text = this.#text;
    const end = text.indexOf("<", this.#at);
    if (end < 0) throw gaveUp;
    const content = text.slice(this.#at, end);
    this.#close(end, name);
    const value = read(content.includes("&") ? content.replace(entity, expanded) : content);
    if (value === undefined) throw gaveUp;
    return value;
  }

  #members(reader: MembersReader, name: string, depth: number): unknown {
    const text = this.#text;
    const values = new Array<unknown>(reader.size);
    for (;;) {
      if (text.charCodeAt(this.#at) !== 0x3c) {
        this.#blank();
        if (text.charCodeAt(this.#at) !== 0x3c) throw gaveUp;
      }
      if (text.charCodeAt(this.#at + 1) === 0x2f) {
        this.#close(this.#at, name);
        return reader.finish(values);
      }
      const end = text.indexOf(">", this.#at);
      if (end < 0) throw gaveUp;
      const isEmpty = text.charCodeAt(end - 1) === 0x2f;
      const tag = text.slice(this.#at + 1, isEmpty ? end - 1 : end);
      const member = reader.members.get(tag);
      if (member === undefined) throw gaveUp;
      this.#at = end + 1;
      const { element } = member;
      const value = isEmpty ? this.#empty(element, depth + 1) : this.element(element, tag, depth + 1);
      if (!member.put(values, value)) throw gaveUp;
    }
  }

  #empty(reader: ElementReader, depth: number): unknown {
    if (depth > this.#maxElements) throw gaveUp;
    const value = reader.kind === "text" ? reader.read("") : reader.finish(new Array<unknown>(reader.size));
    if (reader.kind === "text" && value === undefined) throw gaveUp;
    return value;
  }

  /** Passes over the closing tag of that name, which begins at `at`. */
  #close(at: number, name: string): void {
    const text = this.#text;
    const end = at + 2 + name.length;
    const isClosed = text.charCodeAt(at + 1) === 0x2f && text.charCodeAt(end) === 0x3e;
    if (!isClosed || !text.startsWith(name, at + 2)) throw gaveUp;
    this.#at = end + 1;
  }

  #blank(): void {
    for (;; this.#at++) {
      const unit = this.#text.charCodeAt(this.#at);
      if (unit !== 0x20 && unit !== 0x0a && unit !== 0x09) return;
    }
  }
}

function expanded(_: string, name: string | undefined): string {
  if (name === undefined) throw gaveUp;
  return entities[name] as string;
}
