/** A format is how one of Thrift's protocols writes and reads values: what the interpreter of plans works with. */
import type { ThriftType } from "../../wire/thrift.ts";

export interface Output {
  structBegin(): void;
  structEnd(): void;
  /** Begins a field; its value follows, then `fieldEnd`. */
  field(type: ThriftType, number: number): void;
  fieldEnd(): void;
  bool(value: boolean): void;
  /** An integer of 8, 16 or 32 bits, as its type says. */
  int(value: number, type: ThriftType): void;
  long(value: bigint): void;
  double(value: number): void;
  text(value: string): void;
  bytes(value: Uint8Array): void;
  /** A text that is one. */
  uuid(value: string): void;
  listBegin(of: ThriftType, count: number): void;
  listEnd(): void;
  mapBegin(key: ThriftType, value: ThriftType, count: number): void;
  mapEnd(): void;
}

/**
 * All throw {@link Malformed} at what is cut off or no value of that type. A count is never larger than what is left
 * of the input, in bytes.
 */
export interface Input {
  /** For messages: where in the input it stands. */
  readonly position: number;
  structBegin(): void;
  /** The type of the next field, and in `number` which it is; 0, the struct's end. */
  field(): number;
  readonly number: number;
  fieldEnd(): void;
  structEnd(): void;
  bool(): boolean;
  int(type: number): number;
  long(): bigint;
  double(): number;
  text(): string;
  bytes(): Uint8Array;
  uuid(): string;
  /** The count; the type of the elements is then in `elements`. */
  listBegin(): number;
  listEnd(): void;
  /** The count; the types are then in `keys` and `elements`. */
  mapBegin(): number;
  mapEnd(): void;
  readonly keys: number;
  readonly elements: number;
  skip(type: number): void;
  /** Throws unless the input ends here. */
  end(): void;
}

/** What an input holds that is no Thrift. Never leaves this folder: the interpreter adds where it was. */
export class Malformed extends Error {}
