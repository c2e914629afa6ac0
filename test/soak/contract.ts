/** What the soak calls: every shape, quick and slow. */
import * as z from "zod";
import { rpc, service } from "../../src/contract/index.ts";

const item = z.object({ n: z.int32(), text: z.string() });

export const Soak = service("soak.v1.Soak", {
  echo: rpc({ input: item, output: item, idempotent: true }),
  slow: rpc({ input: item, output: item }),
  large: rpc({ input: z.object({ text: z.string() }), output: z.object({ text: z.string() }), idempotent: true }),
  count: rpc({ kind: "server_stream", input: z.object({ to: z.int32() }), output: item }),
  sum: rpc({ kind: "client_stream", input: item, output: z.object({ sum: z.int32() }) }),
  chat: rpc({ kind: "bidi_stream", input: item, output: item }),
});
