/** Avro's RPC: the handshake, sockets framed and with serial numbers, HTTP, one-way messages, declared errors. */
export { avroContentType, withAvro } from "./http-server.ts";
export { avro, type AvroProtocolOptions } from "./protocol.ts";
export { type AvroSettings, defaultAvroSettings } from "./settings.ts";
export { avroWire } from "./wire.ts";
