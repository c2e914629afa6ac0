// tRPC over HTTP/1.1, its own standalone server: `http`, a request a call, and `batch`, a request for those of a turn.
import { createTRPCClient, httpBatchLink, httpLink } from "@trpc/client";
import { initTRPC } from "@trpc/server";
import { createHTTPServer } from "@trpc/server/adapters/standalone";
import type { z } from "zod";
import type { Caller, Setting } from "../harness/system.ts";
import type { EchoRecord, Shape } from "../records.ts";
import { small, user } from "./meridian/contract.ts";

const t = initTRPC.create();
const router = t.router({
  small: t.procedure.input(small).output(small).mutation(({ input }) => input),
  user: t.procedure.input(user).output(user).mutation(({ input }) => input),
});

type Small = z.infer<typeof small>;
type User = z.infer<typeof user>;

export function serve(port: number): Promise<void> {
  const server = createHTTPServer({ router });
  return new Promise((resolve, reject) => {
    server.once("error", reject).listen(port, "127.0.0.1", () => resolve());
  });
}

export async function connect(port: number, shape: Shape, { variant }: Setting): Promise<Caller> {
  const url = `http://127.0.0.1:${port}`;
  const link = variant === "batch" ? httpBatchLink({ url }) : httpLink({ url });
  const client = createTRPCClient<typeof router>({ links: [link] });
  return {
    call: shape === "S"
      ? (record: EchoRecord) => client.small.mutate(record as Small)
      : (record: EchoRecord) => client.user.mutate(record as User),
    close: () => undefined,
  };
}
