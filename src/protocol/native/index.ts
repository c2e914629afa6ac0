/** The native wire: many calls of every shape over one connection, specified in docs/protocol.md. */
export { nativeConnect, type NativeClientOptions } from "./client.ts";
export { native, nativeApplicationProtocol } from "./protocol.ts";
export { nativePreface } from "./preface.ts";
export { nativeRefusal } from "./refuse.ts";
export { type AcceptOptions, nativeAccept } from "./server.ts";
export type { Compression } from "../../wire/compression.ts";
export { defaultSettings, leastMaxFrameBytes, type NativeSettings } from "./settings.ts";
