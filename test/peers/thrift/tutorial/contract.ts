// The contract of tutorial.thrift; `meridian export --to thrift` gives the .thrift back.
import * as z from "zod";
import { field, oneof, rpc, service } from "../../../../src/contract/index.ts";

export const LIMIT = 9853;

export const GREETINGS = { hello: "world", goodnight: "moon" };

export const KNOWN = ["ADD", "DIVIDE"];

/** What can be done with two numbers. */
export const Operation = z.enum(["ADD", "SUBTRACT", "MULTIPLY", "DIVIDE"]).meta({
  id: "Operation",
  numbers: {
    ADD: 1,
    SUBTRACT: 2,
    MULTIPLY: 3,
    /** Not by zero. */
    DIVIDE: 16,
  },
});

/**
 * One task:
 *   two numbers and what to do.
 */
export const Work = z.object({
  num1: z.int32().default(0),
  num2: z.int32(),
  op: Operation.default("ADD"),
  comment: z.string().optional(),
  priority: field(7, z.int32().meta({ thrift: "i16" }).default(-1)),
  labels: z.array(z.string()).meta({ thrift: "set" }).default(() => ["new"]),
  tiny: z.int32().meta({ thrift: "i8" }),
  deep: z.array(z.map(z.int64(), z.array(z.int32().meta({ thrift: "i16" })).meta({ thrift: "set" }))).default(() => []),
}).meta({ id: "Work" });

export const Either = z.object({
  value: oneof({
    text: z.string(),
    number: z.int64(),
    work: Work,
  }),
}).meta({ id: "Either" });

/** What cannot be computed. */
export const InvalidOperation = z.object({
  whatOp: z.int32(),
  why: z.string(),
}).meta({ id: "InvalidOperation" });

export const SharedStruct = z.object({
  key: z.int32(),
  value: z.string(),
}).meta({ id: "shared.SharedStruct" });

export const SharedServiceMethods = {
  getStruct: rpc({
    description: "The entry that was kept under this key.",
    input: z.object({ key: z.int32() }),
    output: SharedStruct,
  }),
};

export const Calculator = service("tutorial.Calculator", {
  ...SharedServiceMethods,
  ping: rpc({
    description: "Says that it is there.",
    input: z.object({}),
    output: z.object({}),
  }),
  add: rpc({ input: z.object({ num1: z.int32(), num2: z.int32() }), output: z.int32() }),
  calculate: rpc({
    description: "Does the work.",
    input: z.object({ logid: z.int32(), w: Work }),
    output: z.int32(),
    errors: { InvalidOperation },
  }),
  polish: rpc({ input: z.object({ w: Work }), output: Work }),
  swap: rpc({ input: z.object({ either: Either }), output: Either }),
  count: rpc({ input: z.object({ words: z.array(z.string()) }), output: z.record(z.string(), z.int32()) }),
  zip: rpc({
    description: "Nobody waits.",
    input: z.object({}),
    output: z.object({}),
    oneway: true,
  }),
});
