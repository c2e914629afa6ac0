// What a user of the package does: a contract, a server, a client, over a real socket.
import { createClient, createServer, isError, rpc, RpcError, service } from "meridian-rpc";
import { json } from "meridian-rpc/codec";
import * as z from "zod";

const Shop = service("shop.v1.Shop", {
  price: rpc({
    input: z.object({ item: z.string() }), output: z.object({ cents: z.int64(), since: z.date() }), idempotent: true,
    errors: { NoSuchItem: z.object({ item: z.string() }) },
  }),
  count: rpc({ kind: "server_stream", input: z.object({ to: z.int32() }), output: z.object({ n: z.int32() }) }),
});

async function main(): Promise<void> {
  const server = createServer({ region: "here" }).implement(Shop, {
    price({ item }) {
      if (item !== "tea") throw Shop.methods.price.error("NoSuchItem", { item });
      return { cents: 350n, since: new Date(0) };
    },
    async *count({ to }) {
      for (let n = 1; n <= to; n++) yield { n };
    },
  });
  const address = await server.listen();
  for (const options of [{ address }, { address, codec: json }]) {
    const shop = createClient(Shop, { ...options, region: "here" });
    const { cents, since } = await shop.price({ item: "tea" });
    if (cents !== 350n || since.getTime() !== 0) throw new Error(`wrong price ${cents} since ${since.toISOString()}`);
    let sum = 0;
    for await (const { n } of shop.count({ to: 4 })) sum += n;
    if (sum !== 10) throw new Error(`wrong sum ${sum}`);
    const refused: unknown = await shop.price({ item: "coal" }).catch((error: unknown) => error);
    if (!isError(refused, Shop.methods.price, "NoSuchItem") || refused.data.item !== "coal" || !RpcError.is(refused)) {
      throw new Error(`wrong refusal ${String(refused)}`);
    }
    shop.$.close(0);
  }
  await server.close(1_000);
  console.log("calls ok");
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
