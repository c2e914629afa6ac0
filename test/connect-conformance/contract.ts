/** connectrpc.conformance.v1.ConformanceService as a contract. */
import { rpc, service } from "../../src/contract/index.ts";
import {
  BidiStreamRequest, BidiStreamResponse, ClientStreamRequest, ClientStreamResponse, IdempotentUnaryRequest,
  IdempotentUnaryResponse, ServerStreamRequest, ServerStreamResponse, UnaryRequest, UnaryResponse,
  UnimplementedRequest, UnimplementedResponse,
} from "./messages.ts";

export const packageName = "connectrpc.conformance.v1";

const served = {
  unary: rpc({ input: UnaryRequest, output: UnaryResponse }),
  idempotentUnary: rpc({ input: IdempotentUnaryRequest, output: IdempotentUnaryResponse, safe: true }),
  serverStream: rpc({ kind: "server_stream", input: ServerStreamRequest, output: ServerStreamResponse }),
  clientStream: rpc({ kind: "client_stream", input: ClientStreamRequest, output: ClientStreamResponse }),
  bidiStream: rpc({ kind: "bidi_stream", input: BidiStreamRequest, output: BidiStreamResponse }),
};

/** What a server implements: `Unimplemented` is for it not to know. */
export const Served = service(`${packageName}.ConformanceService`, served);

/** What a client calls. */
export const Conformance = service(`${packageName}.ConformanceService`, {
  ...served, unimplemented: rpc({ input: UnimplementedRequest, output: UnimplementedResponse }),
});
