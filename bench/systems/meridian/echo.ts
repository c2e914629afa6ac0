// Meridian's echo: the contract of the two records, and both sides with whatever options are measured.
import { z } from "zod";
import { createClient, createServer, rpc, service, type ClientOptions } from "../../../src/index.ts";
import type { Caller, System } from "../../harness/system.ts";
import { type Shape, smallRecord } from "../../records.ts";

const text = z.string();
const small = z.object({ id: z.int32(), name: text, tags: z.array(text) });
const count = z.object({ count: z.int32() });
const address = z.object({
  street: text, city: text, postcode: text, country: text, latitude: z.number(), longitude: z.number(),
});
const order = z.object({ id: z.int32(), sku: text, quantity: z.int32(), priceCents: z.int32(), note: text });
const user = z.object({
  id: z.int32(), name: text, email: text, active: z.boolean(), score: z.number(), createdAtMs: z.number(), bio: text,
  address, tags: z.array(text), orders: z.array(order),
});

export const Echo = service("bench.v1.Echo", {
  small: rpc({ input: small, output: small, idempotent: true }),
  user: rpc({ input: user, output: user, idempotent: true }),
  receive: rpc({ kind: "server_stream", input: count, output: small }),
  send: rpc({ kind: "client_stream", input: small, output: count }),
});

/** A system of one server and one client that is made with `options`. */
export function echoSystem(options: Omit<ClientOptions, "address" | "discovery">): System {
  return {
    async serve(port) {
      const server = createServer();
      server.implement(Echo, {
        small: (record) => record,
        user: (record) => record,
        async *receive({ count }) {
          const record = copyOf(1);
          for (let i = 0; i < count; i++) yield record;
        },
        async send(records) {
          let count = 0;
          for await (const _ of records) count++;
          return { count };
        },
      });
      await server.listen({ port });
    },
    async connect(port, shape): Promise<Caller> {
      const client = createClient(Echo, { ...options, address: `127.0.0.1:${port}` });
      return { ...caller(client, shape), close: () => client.$.close(0) };
    },
  };
}

function caller(client: ReturnType<typeof createClient<typeof Echo>>, shape: Shape): Omit<Caller, "close"> {
  return {
    call: shape === "S"
      ? (record) => client.small(record as z.infer<typeof small>)
      : (record) => client.user(record as z.infer<typeof user>),
    receive: (count) => client.receive({ count }),
    send: async (count) => (await client.send(records(count))).count,
  };
}

async function* records(count: number): AsyncGenerator<z.infer<typeof small>> {
  const record = copyOf(1);
  for (let i = 0; i < count; i++) yield record;
}

function copyOf(id: number): z.infer<typeof small> {
  const { name, tags } = smallRecord(id);
  return { id, name, tags: [...tags] };
}
