// The structs as Thrift's compiler emits them for Node: a class each, which reads and writes itself field by field.
import thrift from "thrift";
import type { AddressRecord, OrderRecord, SmallRecord, UserRecord } from "../../records.ts";

/** The part of a Thrift protocol object that generated code uses. */
export interface Protocol {
  readStructBegin(): unknown;
  readStructEnd(): void;
  readFieldBegin(): { readonly ftype: number; readonly fid: number };
  readFieldEnd(): void;
  readListBegin(): { readonly size: number };
  readListEnd(): void;
  readI32(): number;
  readDouble(): number;
  readBool(): boolean;
  readString(): string;
  skip(type: number): void;
  writeStructBegin(name: string): void;
  writeStructEnd(): void;
  writeFieldBegin(name: string, type: number, id: number): void;
  writeFieldEnd(): void;
  writeFieldStop(): void;
  writeListBegin(type: number, size: number): void;
  writeListEnd(): void;
  writeI32(value: number): void;
  writeDouble(value: number): void;
  writeBool(value: boolean): void;
  writeString(value: string): void;
  readMessageBegin(): { readonly fname: string; readonly mtype: number; readonly rseqid: number };
  readMessageEnd(): void;
  writeMessageBegin(name: string, type: number, seqid: number): void;
  writeMessageEnd(): void;
  flush(): void;
}

export interface Struct {
  read(input: Protocol): void;
  write(output: Protocol): void;
}

export const types: Readonly<Record<"STOP" | "BOOL" | "DOUBLE" | "I32" | "STRING" | "STRUCT" | "LIST", number>> =
  thrift.Thrift.Type;

/** Reads fields up to the stop; a reader answers whether it knew the field. */
export function readFields(input: Protocol, read: (id: number) => boolean): void {
  input.readStructBegin();
  for (;;) {
    const { ftype, fid } = input.readFieldBegin();
    if (ftype === types.STOP) break;
    if (!read(fid)) input.skip(ftype);
    input.readFieldEnd();
  }
  input.readStructEnd();
}

function readList<T>(input: Protocol, read: () => T): T[] {
  const { size } = input.readListBegin();
  const items: T[] = [];
  for (let i = 0; i < size; i++) items.push(read());
  input.readListEnd();
  return items;
}

function writeI32(output: Protocol, name: string, id: number, value: number): void {
  output.writeFieldBegin(name, types.I32, id);
  output.writeI32(value);
  output.writeFieldEnd();
}

function writeDouble(output: Protocol, name: string, id: number, value: number): void {
  output.writeFieldBegin(name, types.DOUBLE, id);
  output.writeDouble(value);
  output.writeFieldEnd();
}

function writeString(output: Protocol, name: string, id: number, value: string): void {
  output.writeFieldBegin(name, types.STRING, id);
  output.writeString(value);
  output.writeFieldEnd();
}

function writeStrings(output: Protocol, name: string, id: number, values: readonly string[]): void {
  output.writeFieldBegin(name, types.LIST, id);
  output.writeListBegin(types.STRING, values.length);
  for (const value of values) output.writeString(value);
  output.writeListEnd();
  output.writeFieldEnd();
}

export class Small implements SmallRecord, Struct {
  id = 0;
  name = "";
  tags: readonly string[] = [];

  constructor(fields?: SmallRecord) {
    if (fields === undefined) return;
    this.id = fields.id;
    this.name = fields.name;
    this.tags = fields.tags;
  }

  read(input: Protocol): void {
    readFields(input, (id) => {
      switch (id) {
        case 1: this.id = input.readI32(); return true;
        case 2: this.name = input.readString(); return true;
        case 3: this.tags = readList(input, () => input.readString()); return true;
        default: return false;
      }
    });
  }

  write(output: Protocol): void {
    output.writeStructBegin("Small");
    writeI32(output, "id", 1, this.id);
    writeString(output, "name", 2, this.name);
    writeStrings(output, "tags", 3, this.tags);
    output.writeFieldStop();
    output.writeStructEnd();
  }
}

export class Address implements AddressRecord, Struct {
  street = "";
  city = "";
  postcode = "";
  country = "";
  latitude = 0;
  longitude = 0;

  constructor(fields?: AddressRecord) {
    if (fields === undefined) return;
    this.street = fields.street;
    this.city = fields.city;
    this.postcode = fields.postcode;
    this.country = fields.country;
    this.latitude = fields.latitude;
    this.longitude = fields.longitude;
  }

  read(input: Protocol): void {
    readFields(input, (id) => {
      switch (id) {
        case 1: this.street = input.readString(); return true;
        case 2: this.city = input.readString(); return true;
        case 3: this.postcode = input.readString(); return true;
        case 4: this.country = input.readString(); return true;
        case 5: this.latitude = input.readDouble(); return true;
        case 6: this.longitude = input.readDouble(); return true;
        default: return false;
      }
    });
  }

  write(output: Protocol): void {
    output.writeStructBegin("Address");
    writeString(output, "street", 1, this.street);
    writeString(output, "city", 2, this.city);
    writeString(output, "postcode", 3, this.postcode);
    writeString(output, "country", 4, this.country);
    writeDouble(output, "latitude", 5, this.latitude);
    writeDouble(output, "longitude", 6, this.longitude);
    output.writeFieldStop();
    output.writeStructEnd();
  }
}

export class Order implements OrderRecord, Struct {
  id = 0;
  sku = "";
  quantity = 0;
  priceCents = 0;
  note = "";

  constructor(fields?: OrderRecord) {
    if (fields === undefined) return;
    this.id = fields.id;
    this.sku = fields.sku;
    this.quantity = fields.quantity;
    this.priceCents = fields.priceCents;
    this.note = fields.note;
  }

  read(input: Protocol): void {
    readFields(input, (id) => {
      switch (id) {
        case 1: this.id = input.readI32(); return true;
        case 2: this.sku = input.readString(); return true;
        case 3: this.quantity = input.readI32(); return true;
        case 4: this.priceCents = input.readI32(); return true;
        case 5: this.note = input.readString(); return true;
        default: return false;
      }
    });
  }

  write(output: Protocol): void {
    output.writeStructBegin("Order");
    writeI32(output, "id", 1, this.id);
    writeString(output, "sku", 2, this.sku);
    writeI32(output, "quantity", 3, this.quantity);
    writeI32(output, "priceCents", 4, this.priceCents);
    writeString(output, "note", 5, this.note);
    output.writeFieldStop();
    output.writeStructEnd();
  }
}

export class User implements UserRecord, Struct {
  id = 0;
  name = "";
  email = "";
  active = false;
  score = 0;
  createdAtMs = 0;
  bio = "";
  address = new Address();
  tags: readonly string[] = [];
  orders: readonly Order[] = [];

  constructor(fields?: UserRecord) {
    if (fields === undefined) return;
    this.id = fields.id;
    this.name = fields.name;
    this.email = fields.email;
    this.active = fields.active;
    this.score = fields.score;
    this.createdAtMs = fields.createdAtMs;
    this.bio = fields.bio;
    this.address = new Address(fields.address);
    this.tags = fields.tags;
    this.orders = fields.orders.map((order) => new Order(order));
  }

  read(input: Protocol): void {
    readFields(input, (id) => {
      switch (id) {
        case 1: this.id = input.readI32(); return true;
        case 2: this.name = input.readString(); return true;
        case 3: this.email = input.readString(); return true;
        case 4: this.active = input.readBool(); return true;
        case 5: this.score = input.readDouble(); return true;
        case 6: this.createdAtMs = input.readDouble(); return true;
        case 7: this.bio = input.readString(); return true;
        case 8: this.address.read(input); return true;
        case 9: this.tags = readList(input, () => input.readString()); return true;
        case 10: this.orders = readList(input, () => readOrder(input)); return true;
        default: return false;
      }
    });
  }

  write(output: Protocol): void {
    output.writeStructBegin("User");
    writeI32(output, "id", 1, this.id);
    writeString(output, "name", 2, this.name);
    writeString(output, "email", 3, this.email);
    output.writeFieldBegin("active", types.BOOL, 4);
    output.writeBool(this.active);
    output.writeFieldEnd();
    writeDouble(output, "score", 5, this.score);
    writeDouble(output, "createdAtMs", 6, this.createdAtMs);
    writeString(output, "bio", 7, this.bio);
    output.writeFieldBegin("address", types.STRUCT, 8);
    this.address.write(output);
    output.writeFieldEnd();
    writeStrings(output, "tags", 9, this.tags);
    output.writeFieldBegin("orders", types.LIST, 10);
    output.writeListBegin(types.STRUCT, this.orders.length);
    for (const order of this.orders) order.write(output);
    output.writeListEnd();
    output.writeFieldEnd();
    output.writeFieldStop();
    output.writeStructEnd();
  }
}

function readOrder(input: Protocol): Order {
  const order = new Order();
  order.read(input);
  return order;
}
