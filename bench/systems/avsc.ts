// Avro RPC: avsc over node:net.
import { connect as dial, createServer } from "node:net";
import { Service } from "avsc";
import type { Caller } from "../harness/system.ts";
import type { EchoRecord, Shape } from "../records.ts";

const fields = (types: Record<string, unknown>) => Object.entries(types).map(([name, type]) => ({ name, type }));
const record = (name: string, types: Record<string, unknown>) => ({ type: "record", name, fields: fields(types) });
const strings = { type: "array", items: "string" };

const service = Service.forProtocol({
  protocol: "Echo",
  namespace: "bench",
  types: [
    record("Small", { id: "int", name: "string", tags: strings }),
    record("Address", {
      street: "string", city: "string", postcode: "string", country: "string", latitude: "double", longitude: "double",
    }),
    record("Order", { id: "int", sku: "string", quantity: "int", priceCents: "int", note: "string" }),
    record("User", {
      id: "int", name: "string", email: "string", active: "boolean", score: "double", createdAtMs: "double",
      bio: "string", address: "Address", tags: strings, orders: { type: "array", items: "Order" },
    }),
  ],
  messages: {
    S: { request: fields({ record: "Small" }), response: "Small" },
    M: { request: fields({ record: "User" }), response: "User" },
  },
});

type Reply = (error: Error | null, record?: EchoRecord) => void;
/** The methods avsc adds for the protocol's messages, which its types do not know. */
type Methods = Record<Shape, (record: EchoRecord, reply: Reply) => void>;
type Handlers = Record<`on${Shape}`, (handler: Methods[Shape]) => void>;

export function serve(port: number): Promise<void> {
  const server = service.createServer();
  const handlers = server as unknown as Handlers;
  handlers.onS((record, reply) => reply(null, record));
  handlers.onM((record, reply) => reply(null, record));
  return new Promise((resolve) => {
    createServer((socket) => server.createChannel(socket.setNoDelay(true))).listen(port, "127.0.0.1", resolve);
  });
}

export async function connect(port: number, shape: Shape): Promise<Caller> {
  const socket = dial(port, "127.0.0.1").setNoDelay(true);
  const client = service.createClient();
  client.createChannel(socket);
  const methods = client as unknown as Methods;
  return {
    call: (record) => new Promise((resolve, reject) => {
      methods[shape](record, (error, reply) => {
        if (error === null) resolve(reply);
        else reject(error);
      });
    }),
    close: () => socket.destroy(),
  };
}
