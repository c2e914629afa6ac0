/** The client half of Thrift over HTTP: each call is a POST of one message, and its answer the response's body. */
import type { AttemptObserver, Connect, ConnectionEvents } from "../../core/connection.ts";
import type { Context } from "../../core/context.ts";
import { RpcError } from "../../core/error.ts";
import type { MethodInfo } from "../../core/method.ts";
import type { Runtime } from "../../core/runtime.ts";
import { type Head, type HttpConnect, requestHead } from "../../http/message.ts";
import { Writer } from "../../wire/writer.ts";
import { WholeCall, WholeConnection } from "../whole-client.ts";
import { readAnswer } from "./answer.ts";
import { readReplyFields, writeCallFields } from "./call-fields.ts";
import type { ThriftClientOptions } from "./client.ts";
import { checkSize, MessageHead, MessageType, nameBytes, writeHead, writeTail } from "./message.ts";

export interface ThriftHttpOptions extends Omit<ThriftClientOptions, "transport"> {
  readonly http: HttpConnect;
  readonly scheme: "http" | "https";
  readonly path: string;
}

/** Connects endpoints by Thrift over HTTP. */
export function thriftHttpConnect(options: ThriftHttpOptions): Connect {
  return (runtime, address, events) => new ThriftHttpConnection(runtime, address, events, options);
}

class ThriftHttpConnection extends WholeConnection<ThriftHttpCall> {
  readonly options: ThriftHttpOptions;

  constructor(runtime: Runtime, address: string, events: ConnectionEvents, options: ThriftHttpOptions) {
    const { maxConcurrentCalls, maxMessageBytes } = options.settings;
    super(runtime, address, events, { name: "Thrift", http: options.http, maxConcurrentCalls, maxMessageBytes });
    this.options = options;
  }

  protected open(request: unknown, context: Context, observer: AttemptObserver): ThriftHttpCall {
    return new ThriftHttpCall(this, request, context, observer);
  }
}

class ThriftHttpCall extends WholeCall {
  readonly #connection: ThriftHttpConnection;
  readonly #message: Uint8Array;

  /** Throws when the request cannot be encoded. */
  constructor(connection: ThriftHttpConnection, request: unknown, context: Context, observer: AttemptObserver) {
    const { options } = connection;
    const { encoding, settings } = options;
    const coders = options.coders(context.method);
    super(connection, coders, context, observer);
    this.#connection = connection;
    const writer = new Writer(512);
    const { method } = context;
    writeHead(writer, encoding, nameBytes(encoding, options.prefixOf(method) + method.name), typeOf(method), 1);
    coders.request.encode(request, writer);
    writeTail(writer, encoding);
    checkSize(writer.position, settings.maxMessageBytes);
    this.#message = writer.finish();
  }

  protected begin(): void {
    const { options, authority } = this.#connection;
    const left = this.context.deadline - this.context.startedMs;
    const fields = Object.assign(Object.create(null) as Record<string, string>,
      writeCallFields(this.context, left > Number.MAX_SAFE_INTEGER ? undefined : Math.max(1, Math.ceil(left))), {
        "content-type": `application/vnd.apache.thrift.${options.encoding}`,
        "content-length": String(this.#message.length),
      });
    this.post(requestHead("POST", options.path, options.scheme, authority, fields), this.#message);
  }

  protected replied({ fields }: Head, body: Uint8Array): void {
    const { encoding } = this.#connection.options;
    const { method, onMetadata } = this.context;
    const { header, trailer } = readReplyFields(fields);
    for (const _ in header) {
      onMetadata?.("header", header);
      break;
    }
    for (const _ in trailer) {
      onMetadata?.("trailer", trailer);
      break;
    }
    if (method.oneway === true) {
      this.succeed({});
      return;
    }
    const head = new MessageHead();
    try {
      head.read(encoding, body, 0, body.length);
    } catch (error) {
      this.unreadable(RpcError.from(error));
      return;
    }
    const { error, value } = readAnswer(encoding, head, body, { coders: this.coders, method });
    if (error === undefined) this.succeed(value);
    else this.fail(error);
  }
}

function typeOf(method: MethodInfo): number {
  return method.oneway === true ? MessageType.oneway : MessageType.call;
}
