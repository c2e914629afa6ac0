// The contract of the two records that every system echoes.
import { z } from "zod";
import { rpc, service } from "../../../src/index.ts";

const text = z.string();
export const small = z.object({ id: z.int32(), name: text, tags: z.array(text) });
const count = z.object({ count: z.int32() });
const address = z.object({
  street: text, city: text, postcode: text, country: text, latitude: z.number(), longitude: z.number(),
});
const order = z.object({ id: z.int32(), sku: text, quantity: z.int32(), priceCents: z.int32(), note: text });
export const user = z.object({
  id: z.int32(), name: text, email: text, active: z.boolean(), score: z.number(), createdAtMs: z.number(), bio: text,
  address, tags: z.array(text), orders: z.array(order),
});

export const Echo = service("bench.v1.Echo", {
  small: rpc({ input: small, output: small, idempotent: true }),
  user: rpc({ input: user, output: user, idempotent: true }),
  receive: rpc({ kind: "server_stream", input: count, output: small }),
  send: rpc({ kind: "client_stream", input: small, output: count }),
});
