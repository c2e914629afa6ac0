/** The handlers of the ConformanceService: they answer as each request says, and tell what they saw. */
import type { AnyType, Handlers } from "../../src/contract/index.ts";
import type { Clock, Context, ErrorDetail } from "../../src/core/index.ts";
import { packageName, type Served } from "./contract.ts";
import {
  BidiStreamRequest, ClientStreamRequest, type ErrorMessage, type HeaderMessage, IdempotentUnaryRequest,
  type PayloadMessage, RequestInfo, type RequestInfoMessage, ServerStreamRequest, UnaryRequest,
} from "./messages.ts";
import { coderOf, encode } from "./stdio.ts";
import { toHeaders, toMetadata, toRpcError, typePrefix } from "./translate.ts";

interface UnaryDefinition {
  readonly responseHeaders: HeaderMessage[];
  readonly responseTrailers: HeaderMessage[];
  readonly responseData?: Uint8Array | undefined;
  readonly responseDelayMs?: number | undefined;
  readonly error?: ErrorMessage | undefined;
}

interface StreamDefinition extends Omit<UnaryDefinition, "responseData"> {
  readonly responseData: Uint8Array[];
}

const infoCoder = coderOf(RequestInfo, "RequestInfo");

/** Packs messages of one type into Any. */
function packer(type: AnyType, name: string): (message: unknown) => { typeUrl: string; value: Uint8Array } {
  const coder = coderOf(type, name);
  return (message) => ({ typeUrl: `${typePrefix}${packageName}.${name}`, value: encode(coder, message) });
}

const pack = {
  unary: packer(UnaryRequest, "UnaryRequest"),
  idempotentUnary: packer(IdempotentUnaryRequest, "IdempotentUnaryRequest"),
  serverStream: packer(ServerStreamRequest, "ServerStreamRequest"),
  clientStream: packer(ClientStreamRequest, "ClientStreamRequest"),
  bidiStream: packer(BidiStreamRequest, "BidiStreamRequest"),
};

export function conformanceHandlers(clock: Clock): Handlers<typeof Served> {
  const seen = (context: Context, requests: RequestInfoMessage["requests"]): RequestInfoMessage => ({
    requestHeaders: toHeaders(context.metadata), requests,
    ...(context.deadline < Infinity ? { timeoutMs: BigInt(Math.ceil(context.deadline - clock.now())) } : undefined),
  });
  const pause = (definition: UnaryDefinition | StreamDefinition | undefined): Promise<void> =>
    new Promise((resolve) => {
      clock.after(definition?.responseDelayMs ?? 0, resolve);
    });
  const answer = async (
    definition: UnaryDefinition | undefined, context: Context, info: RequestInfoMessage,
  ): Promise<{ payload: PayloadMessage }> => {
    if (definition !== undefined) setMetadata(definition, context);
    if ((definition?.responseDelayMs ?? 0) > 0) await pause(definition);
    if (definition?.error !== undefined) throw toRpcError(definition.error, [detail(info)]);
    return { payload: { data: definition?.responseData ?? new Uint8Array(), requestInfo: info } };
  };
  async function* stream(
    definition: StreamDefinition | undefined, context: Context, info: RequestInfoMessage,
  ): AsyncGenerator<{ payload: PayloadMessage }> {
    if (definition === undefined) return;
    setMetadata(definition, context);
    for (const [i, data] of definition.responseData.entries()) {
      if ((definition.responseDelayMs ?? 0) > 0) await pause(definition);
      yield { payload: { data, ...(i === 0 ? { requestInfo: info } : undefined) } };
    }
    failAsTold(definition, definition.responseData.length, info);
  }
  return {
    unary: (request, context) => answer(request.responseDefinition, context, seen(context, [pack.unary(request)])),
    idempotentUnary: (request, context) =>
      answer(request.responseDefinition, context, seen(context, [pack.idempotentUnary(request)])),
    serverStream: (request, context) =>
      stream(request.responseDefinition, context, seen(context, [pack.serverStream(request)])),
    async clientStream(requests, context) {
      const all = [];
      for await (const request of requests) all.push(request);
      return answer(all[0]?.responseDefinition, context, seen(context, all.map(pack.clientStream)));
    },
    async *bidiStream(requests, context) {
      const all: RequestInfoMessage["requests"] = [];
      let definition: StreamDefinition | undefined;
      let isFullDuplex = false;
      let sent = 0;
      for await (const request of requests) {
        if (all.length === 0) {
          definition = request.responseDefinition;
          isFullDuplex = request.fullDuplex ?? false;
          if (isFullDuplex && definition !== undefined) setMetadata(definition, context);
        }
        all.push(pack.bidiStream(request));
        if (!isFullDuplex) continue;
        const data = definition?.responseData[sent];
        if (data === undefined) break;
        if ((definition?.responseDelayMs ?? 0) > 0) await pause(definition);
        const requestInfo = sent === 0 ? seen(context, all) : { requestHeaders: [], requests: all.slice(-1) };
        yield { payload: { data, requestInfo } };
        sent++;
      }
      if (!isFullDuplex) {
        yield* stream(definition, context, seen(context, all));
        return;
      }
      for (const data of definition?.responseData.slice(sent) ?? []) {
        if ((definition?.responseDelayMs ?? 0) > 0) await pause(definition);
        yield { payload: { data, ...(sent === 0 ? { requestInfo: seen(context, all) } : undefined) } };
        sent++;
      }
      if (definition !== undefined) failAsTold(definition, sent, seen(context, all));
    },
  };
}

function setMetadata(definition: UnaryDefinition | StreamDefinition, context: Context): void {
  const headers = toMetadata(definition.responseHeaders);
  const trailers = toMetadata(definition.responseTrailers);
  for (const name in headers) context.setHeader(name, headers[name] as string);
  for (const name in trailers) context.setTrailer(name, trailers[name] as string);
}

/** An error of a stream that has sent nothing tells what was seen, since no message did. */
function failAsTold({ error }: StreamDefinition, sent: number, info: RequestInfoMessage): void {
  if (error !== undefined) throw toRpcError(error, sent === 0 ? [detail(info)] : []);
}

function detail(info: RequestInfoMessage): ErrorDetail {
  return { type: `${packageName}.ConformancePayload.RequestInfo`, value: encode(infoCoder, info) };
}

