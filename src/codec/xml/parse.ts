/**
 * Parses XML that is not plain (plain.ts) by saxes, straight into the values that element readers say: no tree between.
 * No entity is expanded but XML's own five, a document type is refused, and depth is limited; what is large the wire
 * has refused before.
 */
import { SaxesParser, type SaxesTagPlain } from "saxes";
import { expected, RpcError } from "../../core/error.ts";
import { readText } from "../../wire/text.ts";
import { maxDepth } from "../protobuf/plan.ts";
import { formatPath } from "../protobuf/trail.ts";
import { notPlain, parsePlain } from "./plain.ts";
import type { ElementReader, MemberReader } from "./read.ts";

/** An element that is open. */
interface Open {
  readonly name: string;
  readonly reader: ElementReader;
  /** What takes its value; undefined of the root. */
  readonly member: MemberReader | undefined;
  values: unknown[] | undefined;
  text: string;
  isNil: boolean;
}

/** Elements of the root's own depth, and those that a list or a map takes beside those of messages. */
const maxElements = 2 * maxDepth;
const blank = /^[ \t\r\n]*$/;

/** Reads a document whose root is what `root` says, whatever it is called. Throws `invalid_argument` saying where. */
export function parseXml(root: ElementReader, bytes: Uint8Array, start: number, end: number): unknown {
  let text: string;
  try {
    text = readText(bytes, start, end);
  } catch (cause) {
    throw malformed("is not valid UTF-8", cause);
  }
  const plain = parsePlain(root, text, maxElements);
  if (plain !== notPlain) return plain;
  try {
    return parse(root, text, false);
  } catch {
    // Lines are counted only where one is to be told.
    return parse(root, text, true);
  }
}

function parse(root: ElementReader, text: string, position: boolean): unknown {
  const parser = new SaxesParser({ xmlns: false, position, defaultXMLVersion: "1.0", forceXMLVersion: true });
  const building = new Building(root, parser);
  parser.on("error", (error) => {
    throw malformed(`is malformed: ${error.message.slice(0, 160)}`, error);
  });
  parser.on("xmldecl", ({ encoding, version }) => {
    if (encoding !== undefined && !/^(?:utf-?8|us-ascii)$/i.test(encoding)) {
      throw malformed(`says that its encoding is ${JSON.stringify(encoding.slice(0, 32))}; only UTF-8 is taken`);
    }
    if (version !== undefined && version !== "1.0") throw malformed("is not XML 1.0");
  });
  parser.on("doctype", () => {
    throw malformed("has a document type (<!DOCTYPE), which is refused");
  });
  parser.on("opentag", (tag) => building.open(tag));
  parser.on("closetag", () => building.close());
  parser.on("text", (part) => building.text(part));
  parser.on("cdata", (part) => building.text(part));
  try {
    parser.write(text).close();
    return building.value();
  } catch (error) {
    if (RpcError.is(error)) throw error;
    throw malformed(`cannot be read: ${error instanceof Error ? error.message.slice(0, 160) : "unknown"}`, error);
  }
}

class Building {
  readonly #root: ElementReader;
  readonly #parser: SaxesParser<{ xmlns: false }>;
  readonly #open: Open[] = [];
  #top: Open | undefined = undefined;
  /** Elements that are passed over, within one that is not known. */
  #skipped = 0;
  #value: unknown = undefined;

  constructor(root: ElementReader, parser: SaxesParser<{ xmlns: false }>) {
    this.#root = root;
    this.#parser = parser;
  }

  open(tag: SaxesTagPlain): void {
    if (this.#skipped > 0) {
      if (++this.#skipped > maxElements) throw this.#refused(`elements are nested deeper than ${maxElements}`);
      return;
    }
    const top = this.#top;
    const name = localName(tag.name);
    if (top === undefined) {
      this.#push(name, this.#root, undefined, tag);
      return;
    }
    if (top.reader.kind === "text") {
      throw this.#refused(`<${tag.name.slice(0, 64)}> within text (${top.reader.wanted})`);
    }
    const member = top.reader.members.get(name);
    // What is not known is for others, as in JSON.
    if (member === undefined) this.#skipped = 1;
    else this.#push(name, member.element, member, tag);
  }

  #push(name: string, reader: ElementReader, member: MemberReader | undefined, tag: SaxesTagPlain): void {
    if (this.#open.length >= maxElements) throw this.#refused(`elements are nested deeper than ${maxElements}`);
    const opened: Open = {
      name, reader, member, values: reader.kind === "members" ? new Array<unknown>(reader.size) : undefined, text: "",
      isNil: false,
    };
    for (const attribute in tag.attributes) {
      if (attribute.endsWith(":nil")) opened.isNil = /^\s*(?:true|1)\s*$/.test(tag.attributes[attribute] as string);
    }
    this.#open.push(opened);
    this.#top = opened;
    if (opened.isNil && !reader.takesNil) throw this.#refused("it is xsi:nil, but its type has no null");
  }

  text(part: string): void {
    const top = this.#top;
    if (top === undefined || this.#skipped > 0) return;
    if (top.reader.kind === "text") top.text = top.text === "" ? part : top.text + part;
    else if (!blank.test(part)) {
      throw this.#refused(`text ${JSON.stringify(part.trim().slice(0, 32))} between elements`);
    }
  }

  close(): void {
    if (this.#skipped > 0) {
      this.#skipped--;
      return;
    }
    const top = this.#top as Open;
    const value = this.#valueOf(top);
    if (top.member === undefined) {
      this.#value = value;
      this.#open.pop();
      this.#top = undefined;
      return;
    }
    this.#open.pop();
    const below = this.#top = this.#open.at(-1) as Open;
    if (!top.member.put(below.values as unknown[], value)) throw this.#refused(`<${top.name}> is there twice`);
  }

  #valueOf(top: Open): unknown {
    const { reader, values, text } = top;
    if (top.isNil) {
      if (text !== "") throw this.#refused("it is xsi:nil, and has text");
      return null;
    }
    if (reader.kind === "text") {
      const value = reader.read(text);
      if (value !== undefined) return value;
      throw this.#refused(`expected ${reader.wanted}, received ${JSON.stringify(text.slice(0, 32))}`);
    }
    try {
      return reader.finish(values as unknown[]);
    } catch (error) {
      throw this.#refused(RpcError.is(error) ? error.message.replace(/^JSON: /, "") : "it cannot be read");
    }
  }

  value(): unknown {
    if (this.#value === undefined) throw malformed("has no root element");
    return this.#value;
  }

  #refused(why: string): RpcError {
    const path = formatPath(this.#open.slice(1).map(({ name }) => name));
    const where = path === "" ? "" : ` at ${JSON.stringify(path)}`;
    return malformed(`${where === "" ? "" : where.slice(1)} (line ${this.#parser.line}): ${why}`.trimStart());
  }
}

function localName(name: string): string {
  const colon = name.indexOf(":");
  return colon < 0 ? name : name.slice(colon + 1);
}

function malformed(what: string, cause?: unknown): RpcError {
  return expected("invalid_argument", `XML ${what}`, { phase: "decode", cause });
}
