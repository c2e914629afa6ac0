// Meridian's echo: both sides of its contract with whatever options are measured.
import type { z } from "zod";
import { createClient, createServer, tls, type ClientOptions, type ServerOptions } from "../../../src/index.ts";
import type { Caller, Setting, System } from "../../harness/system.ts";
import { type Shape, smallRecord } from "../../records.ts";
import { Echo, type small, type user } from "./contract.ts";

type Options = Omit<ClientOptions, "address" | "discovery">;

/** A system of one server, which speaks everything, and one client that is made with `options`. */
export function echoSystem(
  options: Options | ((setting: Setting) => Options), serverOptions: ServerOptions = {},
): System {
  return {
    async serve(port, { certificate }) {
      const server = createServer(certificate === undefined ? serverOptions : {
        ...serverOptions, tls: tls({ cert: { file: certificate.certificate }, key: { file: certificate.key } }),
      });
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
    async connect(port, shape, setting): Promise<Caller> {
      const { certificate } = setting;
      const client = createClient(Echo, {
        ...(typeof options === "function" ? options(setting) : options), address: `127.0.0.1:${port}`,
        tls: certificate && tls({ ca: { file: certificate.certificate } }),
      });
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
