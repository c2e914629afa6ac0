/** Two services, each served in another region. */
import * as z from "zod";
import { rpc, service } from "../../src/index.ts";

const operands = z.object({ a: z.int32(), b: z.int32() });
const result = z.object({ result: z.int32(), servedIn: z.string() });

export const Addition = service("demo.v1.Addition", {
  add: rpc({ input: operands, output: result, idempotent: true }),
});

export const Subtraction = service("demo.v1.Subtraction", {
  subtract: rpc({ input: operands, output: result, idempotent: true }),
});
