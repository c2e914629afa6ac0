/** Refusing a connection in its own words: the client learns that the server is full, not that it vanished. */
import type { RpcError } from "../core/error.ts";
import type { ByteStream, Clock } from "../core/runtime.ts";
import type { WireSign } from "../protocol/wire.ts";

/** How long a refused peer has to read why and close, in milliseconds. */
const lingerMs = 500;

/** Says why, closes, and cuts off who does not close too. */
export function refuse(clock: Clock, stream: ByteStream, wire: WireSign, error: RpcError): void {
  stream.write(wire.refusal(error));
  stream.end();
  clock.after(lingerMs, () => stream.destroy()).unref();
}
