/** One call of the suite: made as its request says, cancelled where it says, and told in the runner's words. */
import type { ClientOf } from "../../src/client/index.ts";
import type { AnyType, CallOptions, Coder } from "../../src/contract/index.ts";
import { emptyMetadata, type Metadata, RpcError } from "../../src/core/index.ts";
import type { Conformance } from "./contract.ts";
import {
  BidiStreamRequest, type ClientCompatRequestMessage, type ClientResult, ClientStreamRequest, IdempotentUnaryRequest,
  type PayloadMessage, ServerStreamRequest, UnaryRequest, UnimplementedRequest,
} from "./messages.ts";
import { coderOf } from "./stdio.ts";
import { toErrorMessage, toHeaders, toMetadata } from "./translate.ts";

export type ConformanceClient = ClientOf<typeof Conformance>;

interface Reply {
  readonly payload?: PayloadMessage | undefined;
}

const coders = {
  Unary: coder(UnaryRequest), IdempotentUnary: coder(IdempotentUnaryRequest),
  Unimplemented: coder(UnimplementedRequest), ServerStream: coder(ServerStreamRequest),
  ClientStream: coder(ClientStreamRequest), BidiStream: coder(BidiStreamRequest),
} as const;

function coder(type: AnyType): Coder {
  return coderOf(type, "Request");
}

/** Makes the call; what goes wrong with it is part of the result. Throws for a request that makes no sense. */
export async function invoke(client: ConformanceClient, request: ClientCompatRequestMessage): Promise<ClientResult> {
  const call = new Call(request);
  try {
    await call.make(client);
  } catch (error) {
    call.failed(error);
  }
  return call.result();
}

class Call {
  readonly #request: ClientCompatRequestMessage;
  readonly #abort = new AbortController();
  readonly #payloads: PayloadMessage[] = [];
  readonly #messages: unknown[];
  #sent = 0;
  #header: Metadata = emptyMetadata;
  #trailer: Metadata = emptyMetadata;
  #error: unknown = undefined;
  /** Lets a full-duplex caller send its next request. */
  #answered: () => void = () => undefined;

  constructor(request: ClientCompatRequestMessage) {
    this.#request = request;
    const decoder = coders[request.method as keyof typeof coders];
    this.#messages = request.requestMessages.map(({ value }) => decoder.decode(value, 0, value.length));
  }

  async make(client: ConformanceClient): Promise<void> {
    const options = this.#options();
    const [first] = this.#messages;
    switch (this.#request.method) {
      case "Unary": return this.#one(client.unary(this.#single(first), options));
      case "IdempotentUnary": return this.#one(client.idempotentUnary(this.#single(first), options));
      case "Unimplemented": return this.#one(client.unimplemented(this.#single(first), options));
      case "ClientStream": return this.#one(client.clientStream(this.#inputs(false) as never, options));
      case "ServerStream": return this.#many(client.serverStream(this.#single(first), options));
      default: {
        const isDuplex = this.#request.streamType === "STREAM_TYPE_FULL_DUPLEX_BIDI_STREAM";
        return this.#many(client.bidiStream(this.#inputs(isDuplex) as never, options));
      }
    }
  }

  #options(): CallOptions {
    const { timeoutMs, requestHeaders } = this.#request;
    return {
      signal: this.#abort.signal, metadata: toMetadata(requestHeaders),
      ...(timeoutMs === undefined ? undefined : { timeoutMs }),
      onMetadata: (kind, metadata) => {
        if (kind === "header") this.#header = metadata;
        else this.#trailer = metadata;
      },
    };
  }

  /** The request of a call that sends one: with it the sending side is closed. */
  #single(message: unknown): never {
    this.#sent = 1;
    this.#closed();
    return message as never;
  }

  async *#inputs(isDuplex: boolean): AsyncGenerator {
    const { requestDelayMs = 0, cancel } = this.#request;
    for (const message of this.#messages) {
      if (requestDelayMs > 0) await sleep(requestDelayMs);
      this.#sent++;
      yield message;
      if (isDuplex) await this.#reply();
    }
    if (cancel?.beforeCloseSend !== undefined) {
      // What was yielded last leaves before the call ends.
      await sleep(0);
      this.#abort.abort();
      return;
    }
    this.#closed();
  }

  /** Each request of a full-duplex call has its reply before the next one goes. */
  #reply(): Promise<void> | undefined {
    if (this.#payloads.length >= this.#sent) return undefined;
    return new Promise((resolve) => {
      this.#answered = resolve;
    });
  }

  /** All was sent. */
  #closed(): void {
    const { cancel } = this.#request;
    if (cancel === undefined || cancel.beforeCloseSend !== undefined || cancel.afterNumResponses !== undefined) return;
    setTimeout(() => this.#abort.abort(), cancel.afterCloseSendMs ?? 0);
  }

  async #one(reply: Promise<Reply>): Promise<void> {
    this.#payloads.push((await reply).payload ?? {});
  }

  async #many(replies: AsyncIterable<Reply>): Promise<void> {
    const { cancel } = this.#request;
    for await (const { payload = {} } of replies) {
      this.#payloads.push(payload);
      if (cancel?.afterNumResponses === this.#payloads.length) this.#abort.abort();
      this.#answered();
    }
  }

  failed(error: unknown): void {
    this.#error = error;
    if (RpcError.is(error) && error.metadata !== undefined) this.#trailer = error.metadata;
  }

  result(): ClientResult {
    return {
      responseHeaders: toHeaders(this.#header), responseTrailers: toHeaders(this.#trailer), payloads: this.#payloads,
      numUnsentRequests: this.#messages.length - this.#sent,
      ...(this.#error === undefined ? undefined : { error: toErrorMessage(this.#error) }),
    };
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
