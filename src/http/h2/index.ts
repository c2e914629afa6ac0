/** What the other HTTP/2, that of the runtime, shares with ours. */
export { resetByPeer, resetCode } from "./failure.ts";
export { checkHead } from "./hpack-encoder.ts";
export { resolveHttp2Settings } from "./settings.ts";
