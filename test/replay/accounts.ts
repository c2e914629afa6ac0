/** The contract of the servers that are killed. */
import * as z from "zod";
import { rpc, service } from "../../src/contract/index.ts";

const input = z.object({ id: z.string(), cents: z.int32() });
const output = z.object({ balance: z.int32() });

export const Accounts = service("test.v1.Accounts", {
  deposit: rpc({ input, output, idempotent: "keyed" }),
  depositAlone: rpc({ input, output, idempotent: "keyed" }),
});
