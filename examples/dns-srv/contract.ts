/** A service that says who serves it. */
import * as z from "zod";
import { rpc, service } from "../../src/index.ts";

export const WhoAmI = service("demo.v1.WhoAmI", {
  // A call that was lost with its server may be made again elsewhere.
  ask: rpc({ input: z.object({}), output: z.object({ name: z.string() }), idempotent: true }),
});
