// Not a server: undici as a client of Connect unary JSON, which is a plain POST.
import { Pool } from "undici";
import type { Caller } from "../harness/system.ts";
import type { Shape } from "../records.ts";

export function serve(): Promise<void> {
  return Promise.reject(new Error("undici is a client: name another system to serve it"));
}

export async function connect(port: number, shape: Shape): Promise<Caller> {
  const pool = new Pool(`http://127.0.0.1:${port}`);
  const headers = { "content-type": "application/json" };
  const path = `/bench.v1.Echo/${shape === "S" ? "Small" : "User"}`;
  return {
    async call(record) {
      const { body } = await pool.request({ method: "POST", path, headers, body: JSON.stringify(record) });
      return body.json();
    },
    close: () => pool.close(),
  };
}
