// Plain JSON over HTTP/1.1 as fast as Node users have it: a fastify server, called by undici.
import Fastify from "fastify";
import { Pool } from "undici";
import type { Caller } from "../harness/system.ts";
import type { Shape } from "../records.ts";

export async function serve(port: number): Promise<void> {
  const server = Fastify({ logger: false });
  for (const shape of ["S", "M"]) server.post(`/${shape}`, (request, reply) => void reply.send(request.body));
  await server.listen({ port, host: "127.0.0.1" });
}

export async function connect(port: number, shape: Shape): Promise<Caller> {
  // As `fetch` has it, but without its cost: connections as they are needed, one request at a time on each.
  const pool = new Pool(`http://127.0.0.1:${port}`);
  const headers = { "content-type": "application/json" };
  return {
    async call(record) {
      const { body } = await pool.request({ method: "POST", path: `/${shape}`, headers, body: JSON.stringify(record) });
      return body.json();
    },
    close: () => pool.close(),
  };
}
