// Meridian as its users get it, over Thrift: framed and binary, with the methods and structs of thrift.ts.
import { createClient, createServer, rpc, service, thrift } from "../../src/index.ts";
import { z } from "zod";
import type { Caller } from "../harness/system.ts";
import type { EchoRecord, Shape } from "../records.ts";
import { small, user } from "./meridian/contract.ts";

const Echo = service("bench.v1.ThriftEcho", {
  S: rpc({ input: z.object({ record: small }), output: small, idempotent: true }),
  M: rpc({ input: z.object({ record: user }), output: user, idempotent: true }),
});

export async function serve(port: number): Promise<void> {
  const server = createServer().implement(Echo, { S: ({ record }) => record, M: ({ record }) => record });
  await server.listen({ port });
}

export async function connect(port: number, shape: Shape): Promise<Caller> {
  const client = createClient(Echo, { address: `127.0.0.1:${port}`, protocol: thrift() });
  await Promise.resolve();
  return {
    call: (record: EchoRecord) => shape === "S"
      ? client.S({ record: record as z.infer<typeof small> }) : client.M({ record: record as z.infer<typeof user> }),
    close: () => client.$.close(0),
  };
}
