// What one writes by hand around JSON.parse and JSON.stringify to get what our JSON codec gives: values checked against
// a schema compiled by ajv, 64-bit integers as bigints, times as Dates, maps as Maps; on the way out the reverse, by
// JSON.stringify or by what fast-json-stringify compiles of the same schema.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { Ajv } from "ajv";
import { z } from "zod";
import type { Contender } from "./contenders.ts";
import { type Case, shapes, valuesOf } from "./shapes.ts";

interface Order {
  totalCents: unknown;
  placedAt: unknown;
}

/** What JSON has no word for, of a parsed and checked record, in place. */
const revive: Readonly<Record<Case, (record: Record<string, unknown>) => void>> = {
  S: () => undefined,
  nested: () => undefined,
  M: ({ orders }) => {
    for (const order of orders as Order[]) {
      order.totalCents = BigInt(order.totalCents as string);
      order.placedAt = new Date(order.placedAt as string);
    }
  },
  maps: (record) => {
    record["names"] = new Map(Object.entries(record["names"] as object).map(([id, name]) => [Number(id), name]));
  },
};

/** A record as JSON.stringify can write it; Dates write themselves. */
const plain: Readonly<Record<Case, (record: Record<string, unknown>) => unknown>> = {
  S: (record) => record,
  nested: (record) => record,
  M: (record) => ({ ...record, orders: (record["orders"] as Order[]).map((order) => (
    { ...order, totalCents: String(order.totalCents) })) }),
  maps: (record) => ({ ...record, names: Object.fromEntries(record["names"] as Map<number, string>) }),
};

function schemaOf(name: Case): object {
  return z.toJSONSchema(shapes[name].type, {
    io: "input", target: "draft-7", unrepresentable: "any",
    override: ({ zodSchema, jsonSchema }) => {
      const { type } = zodSchema._zod.def;
      if (type === "bigint") Object.assign(jsonSchema, { type: "string", pattern: "^-?(?:0|[1-9][0-9]{0,18})$" });
      if (type === "date") {
        Object.assign(jsonSchema, {
          type: "string", format: "date-time", pattern: "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(?:\\.\\d+)?Z$",
        });
      }
      if (type === "map") Object.assign(jsonSchema, { type: "object", additionalProperties: { type: "string" } });
    },
  });
}

/** Decodes by JSON.parse, ajv and a conversion; encodes by what `stringify` makes of them. */
function checkedContender(name: Case, stringify: (record: Record<string, unknown>) => string): Contender {
  const check = new Ajv({ strict: false, validateFormats: false }).compile(schemaOf(name));
  const values = valuesOf[name] as readonly Record<string, unknown>[];
  const encoded = values.map((value) => Buffer.from(stringify(value)));
  const decode = (index: number) => {
    const record = JSON.parse((encoded[index] as Buffer).toString()) as Record<string, unknown>;
    if (!check(record)) throw new TypeError(`record ${index} of ${name} does not fit`);
    revive[name](record);
    return record;
  };
  for (const [i, value] of values.entries()) assert.deepEqual(decode(i), value, `record ${i} of ${name}`);
  const out = Buffer.allocUnsafeSlow(65_536);
  return { encode: (index) => out.write(stringify(values[index] as Record<string, unknown>), 0), decode };
}

export function ajvContender(name: Case): Contender {
  return checkedContender(name, (record) => JSON.stringify(plain[name](record)));
}

/** As fastify writes its replies; bigints and Dates it writes itself. */
export function fastJsonContender(name: Case): Contender {
  const fromFastify = createRequire(createRequire(import.meta.url).resolve("fastify"));
  const build = fromFastify("fast-json-stringify") as (schema: object) => (record: unknown) => string;
  const stringify = build(schemaOf(name));
  return checkedContender(name, (record) => stringify(name === "M" ? record : plain[name](record)));
}
