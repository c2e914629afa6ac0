// Meridian's gateway before one server, to which it speaks gRPC.
export { forwardGrpc as forward } from "./meridian.ts";
