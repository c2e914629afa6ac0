// What overload-server.ts serves.
import * as z from "zod";
import { rpc, service } from "../../src/contract/index.ts";

const output = z.object({ done: z.boolean() });

export const Busy = service("test.overload.v1.Busy", {
  work: rpc({ input: z.object({}), output, idempotent: true }),
  critical: rpc({ input: z.object({}), output, idempotent: true, criticality: "critical" }),
});
