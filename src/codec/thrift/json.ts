/**
 * Thrift's JSON protocol, value by value: structs are objects of `{"1":{"i32":5}}`, lists `["i32",2,1,2]`, maps
 * `["str","i32",1,{"a":1}]`, bytes base64.
 */
import { RpcError } from "../../core/error.ts";
import { mostThriftDepth, ThriftType } from "../../wire/thrift.ts";
import { readText } from "../../wire/text.ts";
import type { Writer } from "../../wire/writer.ts";
import { fromAnyBase64, toBase64 } from "../../wire/base64.ts";
import { type Input, Malformed, type Output } from "./format.ts";
import { isUuid } from "./uuid.ts";

const tags: Readonly<Record<number, string>> = {
  [ThriftType.bool]: "tf", [ThriftType.i8]: "i8", [ThriftType.i16]: "i16", [ThriftType.i32]: "i32",
  [ThriftType.i64]: "i64", [ThriftType.double]: "dbl", [ThriftType.string]: "str", [ThriftType.struct]: "rec",
  [ThriftType.map]: "map", [ThriftType.list]: "lst", [ThriftType.set]: "set", [ThriftType.uuid]: "uid",
};
const types = new Map(Object.entries(tags).map(([type, tag]) => [tag, Number(type)]));

export class JsonOutput implements Output {
  readonly #writer: Writer;
  #text = "";
  /** Whether a comma goes before the next value or field, of each level. */
  readonly #follows: boolean[] = [];
  /** Of maps: whether the next value is a key, and so a string. */
  readonly #inMap: (boolean | undefined)[] = [];

  constructor(writer: Writer) {
    this.#writer = writer;
  }

  #put(value: string, isText = false): void {
    const level = this.#follows.length - 1;
    const isKey = this.#inMap[level];
    if (this.#follows[level] === true) this.#text += isKey === false ? ":" : ",";
    if (level >= 0) this.#follows[level] = true;
    this.#text += isKey === true && !isText ? `"${value}"` : value;
    if (isKey !== undefined) this.#inMap[level] = !isKey;
  }

  #open(bracket: string, isMap = false): void {
    this.#put(bracket);
    this.#follows.push(false);
    this.#inMap.push(isMap ? true : undefined);
  }

  #close(bracket: string): void {
    this.#follows.pop();
    this.#inMap.pop();
    this.#text += bracket;
  }

  structBegin(): void {
    this.#open("{");
  }

  structEnd(): void {
    this.#close("}");
  }

  field(type: ThriftType, number: number): void {
    this.#put(`"${number}":{"${tags[type] as string}":`);
    this.#follows.push(false);
    this.#inMap.push(undefined);
  }

  fieldEnd(): void {
    this.#close("}");
  }

  bool(value: boolean): void {
    this.#put(value ? "1" : "0");
  }

  int(value: number): void {
    this.#put(String(value));
  }

  long(value: bigint): void {
    this.#put(String(value));
  }

  double(value: number): void {
    const text = Object.is(value, -0) ? "-0" : String(value);
    this.#put(Number.isFinite(value) ? text : `"${text}"`, !Number.isFinite(value));
  }

  text(value: string): void {
    this.#put(JSON.stringify(value.isWellFormed() ? value : value.toWellFormed()), true);
  }

  uuid(value: string): void {
    this.text(value);
  }

  bytes(value: Uint8Array): void {
    this.#put(`"${toBase64(value)}"`, true);
  }

  listBegin(of: ThriftType, count: number): void {
    this.#open("[");
    this.#put(`"${tags[of] as string}"`);
    this.#put(String(count));
  }

  listEnd(): void {
    this.#close("]");
  }

  mapBegin(key: ThriftType, value: ThriftType, count: number): void {
    this.#open("[");
    this.#put(`"${tags[key] as string}"`);
    this.#put(`"${tags[value] as string}"`);
    this.#put(String(count));
    this.#open("{", true);
  }

  mapEnd(): void {
    this.#close("}");
    this.#close("]");
  }

  finish(): void {
    this.#writer.writeBytes(new TextEncoder().encode(this.#text));
  }
}

const number = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const space = /[ \t\r\n]*/y;

export class JsonInput implements Input {
  readonly #text: string;
  /** In characters, of the text. */
  #at = 0;
  readonly #start: number;
  number = 0;
  keys = 0;
  elements = 0;
  /** What is being read, outermost first, and how many fields or values of each have begun. */
  readonly #levels: { readonly kind: "struct" | "list" | "map"; begun: number }[] = [];

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#start = start;
    try {
      this.#text = readText(bytes, start, end);
    } catch (error) {
      throw RpcError.from(error, "invalid_argument");
    }
  }

  get position(): number {
    return this.#start + this.#at;
  }

  #peek(): string {
    space.lastIndex = this.#at;
    space.test(this.#text);
    this.#at = space.lastIndex;
    return this.#text[this.#at] ?? "";
  }

  #expect(char: string): void {
    const found = this.#peek();
    if (found !== char) throw new Malformed(`${JSON.stringify(found)}, expected ${JSON.stringify(char)},`);
    this.#at++;
  }

  /** Passes what stands before a value: a comma before elements and keys, a colon behind keys. */
  #next(): void {
    const level = this.#levels.at(-1);
    if (level === undefined || level.kind === "struct") return;
    const begun = level.begun++;
    if (level.kind === "list") this.#expect(",");
    else if (begun > 0) this.#expect(begun % 2 === 1 ? ":" : ",");
  }

  #string(): string {
    this.#expect('"');
    const from = this.#at - 1;
    for (;;) {
      const unit = this.#text.charCodeAt(this.#at++);
      if (Number.isNaN(unit)) throw new Malformed("a string without an end");
      if (unit === 0x5c) this.#at++;
      else if (unit === 0x22) break;
    }
    try {
      return JSON.parse(this.#text.slice(from, this.#at)) as string;
    } catch {
      throw new Malformed("a string that is no JSON");
    }
  }

  #number(): string {
    // Keys stand in quotes, and so may numbers.
    if (this.#peek() === '"') return this.#string();
    number.lastIndex = this.#at;
    const found = number.exec(this.#text)?.[0];
    if (found === undefined) throw new Malformed(`${JSON.stringify(this.#peek())}, expected a number,`);
    this.#at += found.length;
    return found;
  }

  #integer(): bigint {
    this.#next();
    return this.#plainInteger();
  }

  #plainInteger(): bigint {
    const text = this.#number();
    if (!/^-?\d{1,20}$/.test(text)) throw new Malformed(`${JSON.stringify(text.slice(0, 32))}, expected an integer,`);
    return BigInt(text);
  }

  structBegin(): void {
    this.#next();
    this.#expect("{");
    this.#levels.push({ kind: "struct", begun: 0 });
  }

  field(): number {
    if (this.#peek() === "}") return 0;
    const level = this.#levels.at(-1);
    if (level !== undefined && level.begun++ > 0) this.#expect(",");
    const id = this.#string();
    if (!/^-?\d{1,5}$/.test(id)) {
      throw new Malformed(`the field ${JSON.stringify(id.slice(0, 32))}, expected a number,`);
    }
    this.number = Number(id);
    this.#expect(":");
    this.#expect("{");
    const type = this.#tag();
    this.#expect(":");
    return type;
  }

  #tag(): number {
    const tag = this.#string();
    const type = types.get(tag);
    if (type === undefined) throw new Malformed(`the type ${JSON.stringify(tag.slice(0, 32))}`);
    return type;
  }

  fieldEnd(): void {
    this.#expect("}");
  }

  structEnd(): void {
    this.#expect("}");
    this.#levels.pop();
  }

  bool(): boolean {
    const value = this.#integer();
    if (value !== 0n && value !== 1n) throw new Malformed(`${value}, expected 0 or 1,`);
    return value === 1n;
  }

  int(): number {
    const value = this.#integer();
    if (BigInt.asIntN(32, value) !== value) throw new Malformed(`${value}, which has more than 32 bits,`);
    return Number(value);
  }

  long(): bigint {
    const value = this.#integer();
    if (BigInt.asIntN(64, value) !== value) throw new Malformed(`${value}, which has more than 64 bits,`);
    return value;
  }

  double(): number {
    this.#next();
    const text = this.#number();
    if (text === "NaN") return Number.NaN;
    if (text === "Infinity" || text === "-Infinity") return Number(text);
    const value = Number(text);
    if (text === "" || !Number.isFinite(value)) throw new Malformed(JSON.stringify(text.slice(0, 32)));
    return value;
  }

  text(): string {
    this.#next();
    return this.#string();
  }

  uuid(): string {
    const text = this.text();
    const shown = JSON.stringify(text.slice(0, 40));
    if (!isUuid(text)) throw new Malformed(`${shown}, expected a uuid,`);
    return text.toLowerCase();
  }

  bytes(): Uint8Array {
    const bytes = fromAnyBase64(this.text());
    if (bytes === undefined) throw new Malformed("bytes that are no base64");
    return bytes;
  }

  #count(): number {
    this.#expect(",");
    const count = Number(this.#plainInteger());
    if (count < 0) throw new Malformed(`a count of ${count}`);
    if (count > this.#text.length - this.#at) {
      throw new Malformed(`${count} elements are announced, ${this.#text.length - this.#at} characters are left`);
    }
    return count;
  }

  listBegin(): number {
    this.#next();
    this.#expect("[");
    this.elements = this.#tag();
    const count = this.#count();
    this.#levels.push({ kind: "list", begun: 0 });
    return count;
  }

  listEnd(): void {
    this.#expect("]");
    this.#levels.pop();
  }

  mapBegin(): number {
    this.#next();
    this.#expect("[");
    this.keys = this.#tag();
    this.#expect(",");
    this.elements = this.#tag();
    const count = this.#count();
    this.#expect(",");
    this.#expect("{");
    this.#levels.push({ kind: "map", begun: 0 });
    return count;
  }

  mapEnd(): void {
    this.#expect("}");
    this.#expect("]");
    this.#levels.pop();
  }

  /** Passes over any JSON value. */
  skip(): void {
    let depth = 0;
    do {
      const char = this.#peek();
      if (char === "{" || char === "[") {
        if (++depth > 2 * mostThriftDepth) throw new Malformed("values that are nested too deep");
        this.#at++;
      } else if (char === "}" || char === "]") {
        depth--;
        this.#at++;
      } else if (char === "," || char === ":") {
        this.#at++;
      } else if (char === '"') {
        this.#string();
      } else {
        this.#number();
      }
    } while (depth > 0);
  }

  end(): void {
    if (this.#peek() !== "") throw new Malformed("more text follows the struct's end");
  }
}
