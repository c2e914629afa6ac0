/** Plain HTTP for people and tools: paths declared on methods, JSON, XML and MessagePack, events and lines. */
export { type HttpJsonServerOptions, httpJsonServer } from "./server.ts";
export { httpJson, type HttpJsonOptions } from "./protocol.ts";
export { PathTable } from "./table.ts";
