/** A warehouse that needs its database. */
import * as z from "zod";
import { rpc, service } from "../../src/index.ts";

export const Warehouse = service("demo.v1.Warehouse", {
  count: rpc({ input: z.object({ article: z.string() }), output: z.object({ by: z.string() }), idempotent: true }),
});
