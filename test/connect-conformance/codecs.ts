/** The JSON codec of both programs: it knows the messages that an Any of the suite holds. */
import { createJsonCodec } from "../../src/codec/json.ts";
import type { AnyType } from "../../src/contract/index.ts";
import { packageName } from "./contract.ts";
import * as messages from "./messages.ts";

/** By the names that the suite's own files give them. */
const types: Record<string, AnyType> = {
  "ConformancePayload.RequestInfo": messages.RequestInfo,
  UnaryRequest: messages.UnaryRequest, UnaryResponse: messages.UnaryResponse,
  IdempotentUnaryRequest: messages.IdempotentUnaryRequest, IdempotentUnaryResponse: messages.IdempotentUnaryResponse,
  ServerStreamRequest: messages.ServerStreamRequest, ServerStreamResponse: messages.ServerStreamResponse,
  ClientStreamRequest: messages.ClientStreamRequest, ClientStreamResponse: messages.ClientStreamResponse,
  BidiStreamRequest: messages.BidiStreamRequest, BidiStreamResponse: messages.BidiStreamResponse,
  UnimplementedRequest: messages.UnimplementedRequest, Header: messages.Header,
};

export const conformanceJson = createJsonCodec({
  types: Object.fromEntries(Object.entries(types).map(([name, type]) => [`${packageName}.${name}`, type])),
});
