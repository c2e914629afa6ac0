/**
 * What Apache Thrift's binary and compact protocols have in common with everybody who reads them: the numbers of
 * types, and passing over values of which nothing but the type is known.
 */

/** Types as the binary protocol numbers them (thrift/doc/specs/thrift-binary-protocol.md). */
export const ThriftType = {
  stop: 0, bool: 2, i8: 3, double: 4, i16: 6, i32: 8, i64: 10, string: 11, struct: 12, map: 13, set: 14, list: 15,
  uuid: 16,
} as const;

export type ThriftType = (typeof ThriftType)[keyof typeof ThriftType];

/** The highest number of a field. */
export const mostThriftId = 32_767;

/** Values nested deeper than this are refused, in both directions. */
export const mostThriftDepth = 100;

/** Numbers of the compact protocol by those of the binary one; a boolean field has 2 where it is false. */
const compactTypes: Readonly<Record<number, number>> = {
  2: 1, 3: 3, 6: 4, 8: 5, 10: 6, 4: 7, 11: 8, 15: 9, 14: 10, 13: 11, 12: 12, 16: 13,
};
const binaryTypes: readonly number[] = [0, 2, 2, 3, 6, 8, 10, 4, 11, 15, 14, 13, 12, 16];

export function compactTypeOf(type: ThriftType): number {
  return compactTypes[type] as number;
}

/** The type that the compact protocol means by a number; undefined for none. */
export function typeOfCompact(number: number): ThriftType | undefined {
  return binaryTypes[number] as ThriftType | undefined;
}

/** Bytes of a value in the binary protocol, where that does not depend on the value; 0 where it does. */
const fixedSizes: Readonly<Record<number, number>> = { 2: 1, 3: 1, 4: 8, 6: 2, 8: 4, 10: 8, 16: 16 };
/** The fewest bytes of a value. */
const leastSizes: Readonly<Record<number, number>> = { ...fixedSizes, 11: 4, 12: 1, 13: 6, 14: 5, 15: 5 };

export function fixedSizeOf(type: number): number {
  return fixedSizes[type] ?? 0;
}

/** The fewest bytes that a value of this type takes in the binary protocol; 0 of what is no type. */
export function leastSizeOf(type: number): number {
  return leastSizes[type] ?? 0;
}

/** A big-endian integer of 32 bits, signed. */
export function int32At(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) << 24 | (bytes[at + 1] as number) << 16 | (bytes[at + 2] as number) << 8 |
    (bytes[at + 3] as number);
}

/**
 * The position after a value of the binary protocol in `bytes[position, end)`; -1 where it is cut off, malformed, or
 * nested deeper than {@link mostThriftDepth}. Work and stack are bounded by the bytes that are there.
 */
export function skipBinary(bytes: Uint8Array, position: number, end: number, type: number, depth = 0): number {
  if (position < 0 || depth > mostThriftDepth) return -1;
  const fixed = fixedSizes[type];
  if (fixed !== undefined) return within(position + fixed, end);
  switch (type) {
    case ThriftType.string: {
      if (position + 4 > end) return -1;
      const length = int32At(bytes, position);
      return length < 0 ? -1 : within(position + 4 + length, end);
    }
    case ThriftType.struct:
      for (;;) {
        if (position < 0 || position >= end) return -1;
        const field = bytes[position] as number;
        if (field === 0) return position + 1;
        position = skipBinary(bytes, position + 3, end, field, depth + 1);
      }
    case ThriftType.list: case ThriftType.set: {
      if (position + 5 > end) return -1;
      return skipItems(bytes, position + 5, end, int32At(bytes, position + 1), [bytes[position] as number], depth);
    }
    case ThriftType.map: {
      if (position + 6 > end) return -1;
      const types = [bytes[position] as number, bytes[position + 1] as number];
      return skipItems(bytes, position + 6, end, int32At(bytes, position + 2), types, depth);
    }
    default: return -1;
  }
}

function within(position: number, end: number): number {
  return position > end ? -1 : position;
}

/** Passes over `count` items, each of values of these types in a row. */
function skipItems(
  bytes: Uint8Array, position: number, end: number, count: number, types: readonly number[], depth: number,
): number {
  if (count < 0) return -1;
  let fixed = 0;
  for (const type of types) fixed += fixedSizes[type] ?? NaN;
  if (!Number.isNaN(fixed)) return within(position + count * fixed, end);
  for (let i = 0; i < count; i++) {
    for (const type of types) position = skipBinary(bytes, position, end, type, depth + 1);
    if (position < 0) return -1;
  }
  return position;
}

/** The same of the compact protocol. `type` is its number there; of a boolean field there is nothing to pass over. */
export function skipCompact(
  bytes: Uint8Array, position: number, end: number, type: number, isField: boolean, depth = 0,
): number {
  if (position < 0 || depth > mostThriftDepth) return -1;
  switch (type) {
    case 1: case 2: return isField ? position : within(position + 1, end);
    case 3: return within(position + 1, end);
    case 4: case 5: case 6: return skipVarint(bytes, position, end);
    case 7: return within(position + 8, end);
    case 8: {
      const start = skipVarint(bytes, position, end);
      return start < 0 ? -1 : within(start + varintAt(bytes, position, start), end);
    }
    case 9: case 10: {
      if (position >= end) return -1;
      const head = bytes[position++] as number;
      let count = head >>> 4;
      if (count === 15) {
        const start = position;
        position = skipVarint(bytes, start, end);
        if (position < 0) return -1;
        count = varintAt(bytes, start, position);
      }
      return skipCompactItems(bytes, position, end, count, [head & 15], depth);
    }
    case 11: {
      const start = position;
      position = skipVarint(bytes, start, end);
      if (position < 0) return -1;
      const count = varintAt(bytes, start, position);
      if (count === 0) return position;
      if (position >= end) return -1;
      const types = bytes[position] as number;
      return skipCompactItems(bytes, position + 1, end, count, [types >>> 4, types & 15], depth);
    }
    case 12:
      for (;;) {
        if (position < 0 || position >= end) return -1;
        const head = bytes[position++] as number;
        if (head === 0) return position;
        if (head >>> 4 === 0) position = skipVarint(bytes, position, end);
        position = skipCompact(bytes, position, end, head & 15, true, depth + 1);
      }
    case 13: return within(position + 16, end);
    default: return -1;
  }
}

function skipCompactItems(
  bytes: Uint8Array, position: number, end: number, count: number, types: readonly number[], depth: number,
): number {
  // Every value takes a byte at least, so that the loop ends with the bytes.
  if (count * types.length > end - position) return -1;
  for (let i = 0; i < count; i++) {
    for (const type of types) position = skipCompact(bytes, position, end, type, false, depth + 1);
    if (position < 0) return -1;
  }
  return position;
}

/** The position after a varint of at most ten bytes. */
export function skipVarint(bytes: Uint8Array, position: number, end: number): number {
  for (let i = 0; i < 10 && position < end; i++) if ((bytes[position++] as number) < 0x80) return position;
  return -1;
}

/** An unsigned varint of which it is known where it ends. */
export function varintAt(bytes: Uint8Array, position: number, end: number): number {
  let value = 0;
  for (let at = end - 1; at >= position; at--) value = value * 128 + ((bytes[at] as number) & 0x7f);
  return value;
}
