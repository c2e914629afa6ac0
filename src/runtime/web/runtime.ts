/** The Runtime of a browser: it has time and chance, but no byte streams, since pages may only fetch. */
import { RpcError } from "../../core/error.ts";
import type { Network, Random, Runtime } from "../../core/runtime.ts";
import { createClock } from "./clock.ts";

const random: Random = {
  next: () => Math.random(),
  id: () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join(""),
};

function none(): never {
  throw new RpcError("unimplemented", "there are no sockets here: use a protocol over fetch");
}

const network: Network = { connect: none, listen: none, datagrams: none };

/** What everything in this page shares. */
export const webRuntime: Runtime = { clock: createClock(), random, network };
