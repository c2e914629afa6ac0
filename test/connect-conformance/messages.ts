/** The messages of connectrpc.conformance.v1, service.proto and config.proto, as Zod schemas with its field numbers. */
import * as z from "zod";
import { bytes, field, wellKnown } from "../../src/contract/index.ts";

const numbered = <const Names extends readonly string[]>(names: Names, first = 0) =>
  z.enum(names).meta({ numbers: Object.fromEntries(names.map((name, i) => [name, i + first])) });

/** What was not set reads as the zero value, and a zero value is not sent. */
const text = z.string().optional();
const data = bytes().optional();
const uint32 = z.uint32().optional();
const flag = z.boolean().optional();

const Any = wellKnown.any();
export type AnyMessage = z.infer<typeof Any>;

export const HttpVersion = numbered([
  "HTTP_VERSION_UNSPECIFIED", "HTTP_VERSION_1", "HTTP_VERSION_2", "HTTP_VERSION_3",
]);
export const Protocol = numbered([
  "PROTOCOL_UNSPECIFIED", "PROTOCOL_CONNECT", "PROTOCOL_GRPC", "PROTOCOL_GRPC_WEB",
]);
export const Codec = numbered(["CODEC_UNSPECIFIED", "CODEC_PROTO", "CODEC_JSON", "CODEC_TEXT"]);
export const Compression = numbered([
  "COMPRESSION_UNSPECIFIED", "COMPRESSION_IDENTITY", "COMPRESSION_GZIP", "COMPRESSION_BR", "COMPRESSION_ZSTD",
  "COMPRESSION_DEFLATE", "COMPRESSION_SNAPPY",
]);
export const StreamType = numbered([
  "STREAM_TYPE_UNSPECIFIED", "STREAM_TYPE_UNARY", "STREAM_TYPE_CLIENT_STREAM", "STREAM_TYPE_SERVER_STREAM",
  "STREAM_TYPE_HALF_DUPLEX_BIDI_STREAM", "STREAM_TYPE_FULL_DUPLEX_BIDI_STREAM",
]);
export const ConformanceCode = numbered([
  "CODE_UNSPECIFIED", "CODE_CANCELED", "CODE_UNKNOWN", "CODE_INVALID_ARGUMENT", "CODE_DEADLINE_EXCEEDED",
  "CODE_NOT_FOUND", "CODE_ALREADY_EXISTS", "CODE_PERMISSION_DENIED", "CODE_RESOURCE_EXHAUSTED",
  "CODE_FAILED_PRECONDITION", "CODE_ABORTED", "CODE_OUT_OF_RANGE", "CODE_UNIMPLEMENTED", "CODE_INTERNAL",
  "CODE_UNAVAILABLE", "CODE_DATA_LOSS", "CODE_UNAUTHENTICATED",
]);

export const Header = z.object({ name: text, value: z.array(z.string()) }).meta({ id: "Header" });
export type HeaderMessage = z.infer<typeof Header>;

export const ConformanceError = z.object({
  code: ConformanceCode.optional(), message: text, details: z.array(Any),
}).meta({ id: "Error" });
export type ErrorMessage = z.infer<typeof ConformanceError>;

const MessageContents = z.object({
  binary: data, text, binaryMessage: Any.optional(), compression: Compression.optional(),
}).meta({ id: "MessageContents" });

const StreamContents = z.object({
  items: z.array(z.object({
    flags: uint32, length: uint32, payload: MessageContents.optional(),
  }).meta({ id: "StreamItem" })),
}).meta({ id: "StreamContents" });

const RawHttpResponse = z.object({
  statusCode: uint32, headers: z.array(Header), unary: MessageContents.optional(), stream: StreamContents.optional(),
  trailers: z.array(Header),
}).meta({ id: "RawHTTPResponse" });

export const UnaryResponseDefinition = z.object({
  responseHeaders: z.array(Header), responseData: data, error: ConformanceError.optional(),
  responseTrailers: z.array(Header), rawResponse: RawHttpResponse.optional(), responseDelayMs: uint32,
}).meta({ id: "UnaryResponseDefinition" });

export const StreamResponseDefinition = z.object({
  responseHeaders: z.array(Header), responseData: z.array(bytes()), responseDelayMs: uint32,
  error: ConformanceError.optional(), responseTrailers: z.array(Header), rawResponse: RawHttpResponse.optional(),
}).meta({ id: "StreamResponseDefinition" });

const unaryRequest = { responseDefinition: UnaryResponseDefinition.optional(), requestData: data };
export const UnaryRequest = z.object(unaryRequest).meta({ id: "UnaryRequest" });
export const IdempotentUnaryRequest = z.object(unaryRequest).meta({ id: "IdempotentUnaryRequest" });
export const ClientStreamRequest = z.object(unaryRequest).meta({ id: "ClientStreamRequest" });
export const ServerStreamRequest = z.object({
  responseDefinition: StreamResponseDefinition.optional(), requestData: data,
}).meta({ id: "ServerStreamRequest" });
export const BidiStreamRequest = z.object({
  responseDefinition: StreamResponseDefinition.optional(), fullDuplex: flag, requestData: data,
}).meta({ id: "BidiStreamRequest" });
export const UnimplementedRequest = z.object({}).meta({ id: "UnimplementedRequest" });

export const RequestInfo = z.object({
  requestHeaders: z.array(Header), timeoutMs: z.int64().optional(), requests: z.array(Any),
  connectGetInfo: z.object({ queryParams: z.array(Header) }).meta({ id: "ConnectGetInfo" }).optional(),
}).meta({ id: "RequestInfo" });
export type RequestInfoMessage = z.infer<typeof RequestInfo>;

export const ConformancePayload = z.object({ data, requestInfo: RequestInfo.optional() })
  .meta({ id: "ConformancePayload" });
export type PayloadMessage = z.infer<typeof ConformancePayload>;

const response = { payload: ConformancePayload.optional() };
export const UnaryResponse = z.object(response).meta({ id: "UnaryResponse" });
export const IdempotentUnaryResponse = z.object(response).meta({ id: "IdempotentUnaryResponse" });
export const ServerStreamResponse = z.object(response).meta({ id: "ServerStreamResponse" });
export const ClientStreamResponse = z.object(response).meta({ id: "ClientStreamResponse" });
export const BidiStreamResponse = z.object(response).meta({ id: "BidiStreamResponse" });
export const UnimplementedResponse = z.object({}).meta({ id: "UnimplementedResponse" });

const TlsCreds = z.object({ cert: data, key: data }).meta({ id: "TLSCreds" });

export const ServerCompatRequest = z.object({
  protocol: Protocol.optional(), httpVersion: HttpVersion.optional(), useTls: field(4, flag), clientTlsCert: data,
  messageReceiveLimit: uint32, serverCreds: TlsCreds.optional(),
});
export type ServerCompatRequestMessage = z.infer<typeof ServerCompatRequest>;
export const ServerCompatResponse = z.object({ host: text, port: uint32, pemCert: data });

const Cancel = z.object({
  beforeCloseSend: z.object({}).optional(), afterCloseSendMs: uint32, afterNumResponses: uint32,
}).meta({ id: "Cancel" });

export const ClientCompatRequest = z.object({
  testName: text, httpVersion: HttpVersion.optional(), protocol: Protocol.optional(), codec: Codec.optional(),
  compression: Compression.optional(), host: text, port: uint32, serverTlsCert: data,
  clientTlsCreds: TlsCreds.optional(), messageReceiveLimit: uint32, service: text, method: text,
  streamType: StreamType.optional(), useGetHttpMethod: flag, requestHeaders: z.array(Header),
  requestMessages: z.array(Any), timeoutMs: uint32, requestDelayMs: uint32, cancel: Cancel.optional(),
});
export type ClientCompatRequestMessage = z.infer<typeof ClientCompatRequest>;

export const ClientResponseResult = z.object({
  responseHeaders: z.array(Header), payloads: z.array(ConformancePayload), error: ConformanceError.optional(),
  responseTrailers: z.array(Header), numUnsentRequests: z.int32().optional(),
}).meta({ id: "ClientResponseResult" });
export type ClientResult = z.infer<typeof ClientResponseResult>;

export const ClientCompatResponse = z.object({
  testName: text, response: ClientResponseResult.optional(),
  error: z.object({ message: text }).meta({ id: "ClientErrorResult" }).optional(),
});
