/** What of a method is what in Avro: the plans of requests, responses and errors, and their schemas. */
import type { CodecRole } from "../codec.ts";
import { requireModel, type Schema } from "../schema.ts";
import { Describer } from "./describe.ts";
import { avroLimits, readAvroSchema } from "./parse.ts";
import { type AvroPlan, inexpressible, planAvro, type RecordPlan } from "./plan.ts";
import type { AvroSchema } from "./schema.ts";

/** The name of the only parameter of a message whose request is no record. */
export const soleParameter = "request";

/**
 * The plan of a type by what it is to a call. A request is always a record, whose fields are the message's parameters;
 * so is an error. What is none stands in a record of one field, which takes no bytes.
 */
export function planOf(schema: Schema, role: CodecRole): AvroPlan {
  const name = schema.name ?? "Value";
  const plan = planAvro(requireModel(schema), name);
  if (role === "response" || (plan.type === "record" && plan.shape === "struct")) return plan;
  return inRecord(plan, name, role === "request" ? soleParameter : "value");
}

const wrapped = new WeakMap<AvroPlan, Map<string, RecordPlan>>();

function inRecord(plan: AvroPlan, name: string, field: string): RecordPlan {
  let byName = wrapped.get(plan);
  if (byName === undefined) wrapped.set(plan, byName = new Map());
  const key = `${name} ${field}`;
  let made = byName.get(key);
  if (made === undefined) {
    made = {
      type: "record", name, shape: "value", aliases: [],
      fields: [{
        name: field, property: field, plan, number: 1, absent: "required", defaultValue: undefined, aliases: [],
        description: undefined,
      }],
    };
    byName.set(key, made);
  }
  return made;
}

/** The same, of which it is known that it is a record. */
export function recordPlanOf(schema: Schema, role: "request" | "error"): RecordPlan {
  const plan = planOf(schema, role);
  if (plan.type === "record") return plan;
  throw inexpressible(schema.name ?? "a type", "it is no record");
}

const schemas = new WeakMap<AvroPlan, AvroSchema>();

/** The schema of a plan alone, its names as they are in the contract. */
export function schemaOfPlan(plan: AvroPlan): AvroSchema {
  let schema = schemas.get(plan);
  if (schema === undefined) {
    schema = readAvroSchema(new Describer("").schema(plan), avroLimits);
    schemas.set(plan, schema);
  }
  return schema;
}
