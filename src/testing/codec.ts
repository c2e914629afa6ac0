/**
 * The compliance suite of Codec: what every codec must carry unchanged, and what it must refuse.
 *
 * It knows no test runner: each case is a name and a function that throws when the codec is wrong.
 */
import { RpcError } from "../core/error.ts";
import type { Codec, Coder } from "../contract/codec.ts";
import type { Model } from "../contract/model.ts";
import type { Schema } from "../contract/schema.ts";
import { Writer } from "../wire/writer.ts";
import { freeValues, modelledValues, refusedValues } from "./codec-values.ts";
import { difference } from "./difference.ts";

export interface CodecCase {
  readonly name: string;
  /** Returns if the codec behaves; throws what it did instead. */
  readonly run: () => void;
}

export interface CodecSuiteOptions {
  /** Whether values describe themselves, so that types without a model work. Default: unless `structural`. */
  readonly selfDescribing?: boolean;
  /** Names of cases that the format cannot do, each for a reason to be written beside it. Default none. */
  readonly without?: readonly string[];
}

/**
 * All cases.
 *
 * @example
 * for (const { name, run } of codecCases(json)) test(name, run);
 */
export function codecCases(codec: Codec, options: CodecSuiteOptions = {}): readonly CodecCase[] {
  const selfDescribing = options.selfDescribing ?? !codec.structural;
  const cases = [
    ...modelledValues.map(({ name, model, value }) => ({
      name: `carries ${name}`, run: () => roundTrip(codec.compile(schema(model)), value),
    })),
    ...generalCases(codec),
    ...(selfDescribing ? selfDescribingCases(codec) : []),
  ];
  return cases.filter(({ name }) => options.without?.includes(name) !== true);
}

/** A schema that checks nothing: the suite is about bytes. */
function schema(model: Model | undefined): Schema {
  return { model, name: "Value", refine: undefined, validate: (value) => value };
}

/** Encodes behind other bytes into a small buffer, decodes out of the middle, and spoils the input afterwards. */
function roundTrip(coder: Coder, value: unknown): void {
  const bytes = framed(coder, value);
  const decoded = coder.decode(bytes, 3, bytes.length - 3);
  bytes.fill(0xa5);
  const found = difference(decoded, value);
  if (found !== undefined) throw new Error(found);
}

/** Three bytes, the encoded value, three bytes. */
function framed(coder: Coder, value: unknown): Uint8Array {
  const writer = new Writer(4);
  writer.writeBytes(Uint8Array.of(1, 2, 3));
  coder.encode(value, writer);
  writer.writeBytes(Uint8Array.of(4, 5, 6));
  const bytes = writer.finish();
  if (bytes[0] !== 1 || bytes[2] !== 3 || bytes.at(-1) !== 6) throw new Error("encode overwrote what stood there");
  return bytes;
}

function encoded(coder: Coder, value: unknown): Uint8Array {
  return framed(coder, value).slice(3, -3);
}

function generalCases(codec: Codec): CodecCase[] {
  const sample = modelledValues.filter(({ value }) => JSON.stringify(value, bigintText).length < 2000);
  return [
    {
      name: "gives the same bytes for the same value",
      run: () => {
        for (const { name, model, value } of sample) {
          const coder = codec.compile(schema(model));
          const found = difference(encoded(coder, value), encoded(coder, value));
          if (found !== undefined) throw new Error(`${name}: ${found}`);
        }
      },
    },
    {
      name: "answers damaged bytes with a value or invalid_argument",
      run: () => {
        for (const { name, model, value } of sample) {
          const coder = codec.compile(schema(model));
          damage(encoded(coder, value), (bytes) => decodesOrRefuses(coder, bytes, name));
        }
      },
    },
    {
      name: "answers random bytes with a value or invalid_argument",
      run: () => {
        const next = generator(7);
        for (const { name, model } of sample) {
          const coder = codec.compile(schema(model));
          for (let i = 0; i < 20; i++) {
            decodesOrRefuses(coder, Uint8Array.from({ length: next() % 40 }, () => next() & 0xff), name);
          }
        }
      },
    },
  ];
}

function selfDescribingCases(codec: Codec): CodecCase[] {
  const coder = codec.compile(schema(undefined));
  return [
    ...freeValues.map(({ name, value }) => ({ name: `carries ${name}`, run: () => roundTrip(coder, value) })),
    ...refusedValues.map(({ name, value, names }) => ({
      name: `refuses ${name}`,
      run: () => {
        const error = refusal(() => encoded(coder, value));
        if (!error.message.includes(names)) throw new Error(`"${error.message}" does not name ${names}`);
      },
    })),
    { name: "leaves undefined fields out", run: () => leavesOut(coder) },
    { name: "sends the fields of an instance", run: () => sendsFields(coder) },
    {
      name: "refuses every strict prefix, and bytes behind the value",
      run: () => {
        const bytes = encoded(coder, { a: [1, "two", null], b: { c: new Date(0) } });
        for (let end = 0; end < bytes.length; end++) refusal(() => coder.decode(bytes, 0, end));
        refusal(() => coder.decode(Uint8Array.of(...bytes, ...bytes), 0, 2 * bytes.length));
      },
    },
  ];
}

function leavesOut(coder: Coder): void {
  const bytes = encoded(coder, { a: undefined, b: { c: undefined, d: -0 } });
  const found = difference(coder.decode(bytes, 0, bytes.length), { b: { d: -0 } });
  if (found !== undefined) throw new Error(found);
}

function sendsFields(coder: Coder): void {
  const bytes = encoded(coder, new Point());
  const found = difference(coder.decode(bytes, 0, bytes.length), { x: 1, at: new Date(5) });
  if (found !== undefined) throw new Error(found);
}

class Point {
  readonly x = 1;
  readonly at = new Date(5);

  toJSON(): string {
    return "not what is asked for";
  }
}

function refusal(action: () => unknown): RpcError {
  try {
    action();
  } catch (error) {
    if (RpcError.is(error) && error.code === "invalid_argument") return error;
    throw error;
  }
  throw new Error("expected a refusal");
}

function decodesOrRefuses(coder: Coder, bytes: Uint8Array, name: string): void {
  try {
    coder.decode(bytes, 0, bytes.length);
  } catch (error) {
    if (RpcError.is(error) && error.code === "invalid_argument") return;
    throw new Error(`${name}, from ${Array.from(bytes.subarray(0, 64)).join(",")}`, { cause: error });
  }
}

/** Cuts, flips, doubles and drops bytes, the same way every time. */
function damage(bytes: Uint8Array, attempt: (damaged: Uint8Array) => void): void {
  const next = generator(bytes.length);
  for (let i = 0; i < 30; i++) {
    const at = next() % Math.max(1, bytes.length);
    attempt(bytes.slice(0, at));
    const flipped = bytes.slice();
    flipped[at] = next() & 0xff;
    attempt(flipped);
    attempt(Uint8Array.of(...bytes.subarray(0, at), ...bytes.subarray(at + 1)));
    attempt(Uint8Array.of(...bytes.subarray(0, at), ...bytes.subarray(Math.max(0, at - 3))));
  }
}

/** A linear congruential generator (the constants of Numerical Recipes), whose upper bits are used. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 8;
  };
}

function bigintText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
