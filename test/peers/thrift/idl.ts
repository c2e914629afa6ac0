/** Where the IDL is that peers of other languages are generated from. */
import { fileURLToPath } from "node:url";

export const peersIdl = fileURLToPath(new URL("peers.thrift", import.meta.url));
