// A counter: what two processes keep, and callers count on.
import * as z from "zod";
import { rpc, service } from "../../src/index.ts";

export const Counter = service("example.v1.Counter", {
  // Keyed: a repeat after a failover is answered from the record of the first, and counts once.
  add: rpc({ input: z.object({ by: z.int32() }), output: z.object({ value: z.int32() }), idempotent: "keyed" }),
  read: rpc({ input: z.object({}), output: z.object({ value: z.int32() }), idempotent: true }),
});
