// A Protobuf codec for the two records, as written by hand for speed: no reflection, no intermediate object.
import type { AddressRecord, EchoRecord, OrderRecord, Shape, SmallRecord, UserRecord } from "../../records.ts";

/** A Buffer's fastest text methods are not among those that its types list. */
export type Bytes = Buffer & {
  utf8Write(text: string, at: number): number;
  utf8Slice(start: number, end: number): string;
};

/** No encoded record is longer. */
export const maxRecordBytes = 8_192;

export interface Codec {
  /** Writes at `at` and returns where the record ends. */
  readonly write: (bytes: Bytes, at: number, record: EchoRecord) => number;
  readonly read: (bytes: Bytes, at: number, end: number) => EchoRecord;
}

export function codecOf(shape: Shape): Codec {
  return shape === "S"
    ? { write: writeSmall, read: readSmall }
    : { write: (bytes, at, record) => writeUser(bytes, at, record as UserRecord), read: readUser };
}

/** Where the reader stands; readers leave it behind what they read. */
let cursor = 0;

function writeSmall(bytes: Bytes, from: number, { id, name, tags }: SmallRecord): number {
  let at = writeVarint(bytes, tag(bytes, from, 0x08), id);
  at = writeText(bytes, tag(bytes, at, 0x12), name);
  for (let i = 0; i < tags.length; i++) at = writeText(bytes, tag(bytes, at, 0x1a), tags[i] as string);
  return at;
}

function readSmall(bytes: Bytes, at: number, end: number): SmallRecord {
  let id = 0;
  let name = "";
  const tags: string[] = [];
  cursor = at;
  while (cursor < end) {
    switch (bytes[cursor++] as number) {
      case 0x08: id = readVarint(bytes); break;
      case 0x12: name = readText(bytes); break;
      case 0x1a: tags.push(readText(bytes)); break;
      default: throw new Error("unknown field");
    }
  }
  return { id, name, tags };
}

function writeUser(bytes: Bytes, from: number, user: UserRecord): number {
  let at = writeVarint(bytes, tag(bytes, from, 0x08), user.id);
  at = writeText(bytes, tag(bytes, at, 0x12), user.name);
  at = writeText(bytes, tag(bytes, at, 0x1a), user.email);
  at = tag(bytes, tag(bytes, at, 0x20), user.active ? 1 : 0);
  at = bytes.writeDoubleLE(user.score, tag(bytes, at, 0x29));
  at = bytes.writeDoubleLE(user.createdAtMs, tag(bytes, at, 0x31));
  at = writeText(bytes, tag(bytes, at, 0x3a), user.bio);
  const addressAt = tag(bytes, at, 0x42) + 1;
  at = closeMessage(bytes, addressAt, writeAddress(bytes, addressAt, user.address));
  const { tags, orders } = user;
  for (let i = 0; i < tags.length; i++) at = writeText(bytes, tag(bytes, at, 0x4a), tags[i] as string);
  for (let i = 0; i < orders.length; i++) {
    const orderAt = tag(bytes, at, 0x52) + 1;
    at = closeMessage(bytes, orderAt, writeOrder(bytes, orderAt, orders[i] as OrderRecord));
  }
  return at;
}

function readUser(bytes: Bytes, at: number, end: number): UserRecord {
  let id = 0, name = "", email = "", active = false, score = 0, createdAtMs = 0, bio = "";
  let address = noAddress;
  const tags: string[] = [];
  const orders: OrderRecord[] = [];
  cursor = at;
  while (cursor < end) {
    switch (bytes[cursor++] as number) {
      case 0x08: id = readVarint(bytes); break;
      case 0x12: name = readText(bytes); break;
      case 0x1a: email = readText(bytes); break;
      case 0x20: active = bytes[cursor++] === 1; break;
      case 0x29: score = readDouble(bytes); break;
      case 0x31: createdAtMs = readDouble(bytes); break;
      case 0x3a: bio = readText(bytes); break;
      case 0x42: address = readAddress(bytes, readVarint(bytes)); break;
      case 0x4a: tags.push(readText(bytes)); break;
      case 0x52: orders.push(readOrder(bytes, readVarint(bytes))); break;
      default: throw new Error("unknown field");
    }
  }
  return { id, name, email, active, score, createdAtMs, bio, address, tags, orders };
}

const noAddress: AddressRecord = { street: "", city: "", postcode: "", country: "", latitude: 0, longitude: 0 };

function writeAddress(bytes: Bytes, from: number, address: AddressRecord): number {
  let at = writeText(bytes, tag(bytes, from, 0x0a), address.street);
  at = writeText(bytes, tag(bytes, at, 0x12), address.city);
  at = writeText(bytes, tag(bytes, at, 0x1a), address.postcode);
  at = writeText(bytes, tag(bytes, at, 0x22), address.country);
  at = bytes.writeDoubleLE(address.latitude, tag(bytes, at, 0x29));
  return bytes.writeDoubleLE(address.longitude, tag(bytes, at, 0x31));
}

function readAddress(bytes: Bytes, length: number): AddressRecord {
  let street = "", city = "", postcode = "", country = "", latitude = 0, longitude = 0;
  const end = cursor + length;
  while (cursor < end) {
    switch (bytes[cursor++] as number) {
      case 0x0a: street = readText(bytes); break;
      case 0x12: city = readText(bytes); break;
      case 0x1a: postcode = readText(bytes); break;
      case 0x22: country = readText(bytes); break;
      case 0x29: latitude = readDouble(bytes); break;
      case 0x31: longitude = readDouble(bytes); break;
      default: throw new Error("unknown field");
    }
  }
  return { street, city, postcode, country, latitude, longitude };
}

function writeOrder(bytes: Bytes, from: number, order: OrderRecord): number {
  let at = writeVarint(bytes, tag(bytes, from, 0x08), order.id);
  at = writeText(bytes, tag(bytes, at, 0x12), order.sku);
  at = writeVarint(bytes, tag(bytes, at, 0x18), order.quantity);
  at = writeVarint(bytes, tag(bytes, at, 0x20), order.priceCents);
  return writeText(bytes, tag(bytes, at, 0x2a), order.note);
}

function readOrder(bytes: Bytes, length: number): OrderRecord {
  let id = 0, sku = "", quantity = 0, priceCents = 0, note = "";
  const end = cursor + length;
  while (cursor < end) {
    switch (bytes[cursor++] as number) {
      case 0x08: id = readVarint(bytes); break;
      case 0x12: sku = readText(bytes); break;
      case 0x18: quantity = readVarint(bytes); break;
      case 0x20: priceCents = readVarint(bytes); break;
      case 0x2a: note = readText(bytes); break;
      default: throw new Error("unknown field");
    }
  }
  return { id, sku, quantity, priceCents, note };
}

function tag(bytes: Bytes, at: number, byte: number): number {
  bytes[at] = byte;
  return at + 1;
}

/** Puts the length before a message that began behind one byte left for it; makes room if it needs more. */
function closeMessage(bytes: Bytes, start: number, end: number): number {
  const length = end - start;
  if (length < 0x80) {
    bytes[start - 1] = length;
    return end;
  }
  const more = length < 0x4000 ? 1 : 2;
  bytes.copyWithin(start + more, start, end);
  writeVarint(bytes, start - 1, length);
  return end + more;
}

function writeVarint(bytes: Bytes, from: number, from32Bits: number): number {
  let at = from;
  let value = from32Bits;
  while (value > 0x7f) {
    bytes[at++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  bytes[at++] = value;
  return at;
}

function readVarint(bytes: Bytes): number {
  let byte = bytes[cursor++] as number;
  if (byte < 0x80) return byte;
  let value = byte & 0x7f;
  let shift = 7;
  do {
    byte = bytes[cursor++] as number;
    value |= (byte & 0x7f) << shift;
    shift += 7;
  } while (byte > 0x7f);
  return value;
}

function readDouble(bytes: Bytes): number {
  const value = bytes.readDoubleLE(cursor);
  cursor += 8;
  return value;
}

/** A loop beats the native call for ASCII of up to so many characters. */
const shortText = 24;

function writeText(bytes: Bytes, at: number, text: string): number {
  const length = text.length;
  const start = at + 1;
  if (length <= shortText) {
    let i = 0;
    for (; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7f) break;
      bytes[start + i] = unit;
    }
    if (i === length) {
      bytes[at] = length;
      return start + length;
    }
  }
  return closeMessage(bytes, start, start + bytes.utf8Write(text, start));
}

function readText(bytes: Bytes): string {
  const length = readVarint(bytes);
  const start = cursor;
  cursor = start + length;
  if (length > shortText) return bytes.utf8Slice(start, cursor);
  let text = "";
  for (let i = start; i < cursor; i++) {
    const unit = bytes[i] as number;
    if (unit > 0x7f) return bytes.utf8Slice(start, cursor);
    text += String.fromCharCode(unit);
  }
  return text;
}
