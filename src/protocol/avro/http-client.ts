/** The client half of Avro's RPC over HTTP: each request begins with a handshake, and so does each response. */
import type { AttemptObserver, Connect, ConnectionEvents } from "../../core/connection.ts";
import type { Context } from "../../core/context.ts";
import { RpcError } from "../../core/error.ts";
import type { MethodInfo } from "../../core/method.ts";
import type { Runtime } from "../../core/runtime.ts";
import type { MethodCoders } from "../../contract/coders.ts";
import type { ContractProtocol } from "../../contract/avro/export.ts";
import { type Head, type HttpConnect, requestHead } from "../../http/message.ts";
import { WholeCall, WholeConnection } from "../whole-client.ts";
import { AvroCursor, malformed } from "./binary.ts";
import { bodyHeadBytes, endBody, handshakeBytes, outOfFrames } from "./frames.ts";
import { readHandshakeResponse, writeHandshakeRequest } from "./handshake.ts";
import { HeadsByLength } from "./heads.ts";
import { type Binding, ownProtocol, readAnswer, Remote, type ServerKnowledge, writeRequestHead } from "./remote.ts";
import { borrowWriter, returnWriter } from "./scratch.ts";

export interface AvroHttpOptions {
  readonly coders: (method: MethodInfo) => MethodCoders;
  readonly http: HttpConnect;
  readonly knowledge: ServerKnowledge;
  readonly scheme: "http" | "https";
  /** Default: `/` and the service's name. */
  readonly path: string | undefined;
}

/** Connects endpoints by Avro's RPC over HTTP. */
export function avroHttpConnect(options: AvroHttpOptions): Connect {
  return (runtime, address, events) => new AvroHttpConnection(runtime, address, events, options);
}

class AvroHttpConnection extends WholeConnection<AvroHttpCall> {
  readonly options: AvroHttpOptions;
  readonly #remotes = new Map<ContractProtocol, Remote>();
  /** By service, of which there are as many as contracts of ours. */
  readonly #heads = new Map<string, HeadsByLength>();

  constructor(runtime: Runtime, address: string, events: ConnectionEvents, options: AvroHttpOptions) {
    const { maxConcurrentCalls, maxMessageBytes } = options.knowledge.settings;
    super(runtime, address, events, {
      name: "Avro", http: options.http, maxConcurrentCalls, maxMessageBytes, besideBytes: handshakeBytes,
    });
    this.options = options;
  }

  protected open(request: unknown, context: Context, observer: AttemptObserver): AvroHttpCall {
    const own = ownProtocol(context.method);
    let remote = this.#remotes.get(own);
    if (remote === undefined) {
      this.#remotes.set(own, remote = new Remote(own, this.options.knowledge, this.options.coders));
    }
    const binding = remote.binding(context.method);
    const message = messageOf(binding, request, context);
    return new AvroHttpCall(this, remote, binding, message, { context, observer });
  }

  /** The head of a request to a service. */
  head(service: string, length: number): Head {
    let heads = this.#heads.get(service);
    if (heads === undefined) {
      const { path = `/${service}`, scheme } = this.options;
      this.#heads.set(service, heads = new HeadsByLength((bytes) => requestHead("POST", path, scheme, this.authority, {
        "content-type": "avro/binary", accept: "avro/binary", "content-length": String(bytes),
      })));
    }
    return heads.of(length);
  }
}

/** The message without its handshake: kept, since it goes out again if the server must first be told our protocol. */
function messageOf(binding: Binding, request: unknown, context: Context): Uint8Array {
  const writer = borrowWriter();
  writeRequestHead(writer, binding, context);
  binding.coders.request.encode(request, writer);
  const message = writer.finish();
  returnWriter(writer);
  return message;
}

class AvroHttpCall extends WholeCall {
  readonly #connection: AvroHttpConnection;
  readonly #remote: Remote;
  #binding: Binding;
  readonly #message: Uint8Array;
  #isProtocolWanted = false;

  constructor(
    connection: AvroHttpConnection, remote: Remote, binding: Binding, message: Uint8Array,
    made: { context: Context; observer: AttemptObserver },
  ) {
    super(connection, binding.coders, made.context, made.observer);
    this.#connection = connection;
    this.#remote = remote;
    this.#binding = binding;
    this.#message = message;
  }

  protected begin(): void {
    const writer = borrowWriter();
    writer.position = bodyHeadBytes;
    writeHandshakeRequest(writer, this.#remote.request(this.#isProtocolWanted));
    writer.writeBytes(this.#message);
    const body = endBody(writer);
    try {
      this.post(this.#connection.head(this.context.method.service, body.length), body);
    } finally {
      returnWriter(writer);
    }
  }

  protected replied(_: Head, body: Uint8Array): void {
    try {
      const { settings } = this.#connection.options.knowledge;
      const message = outOfFrames(body, settings.maxMessageBytes);
      const cursor = new AvroCursor().over(message, 0, message.length);
      if (!this.#remote.accept(readHandshakeResponse(cursor, settings.maxProtocolChars))) {
        if (this.#isProtocolWanted) throw malformed("the server does not take our protocol in its handshake");
        this.#isProtocolWanted = true;
        this.#connection.sendWhenAvailable(this);
        return;
      }
      // What the server is may have shown by this answer only.
      this.#binding = this.#remote.binding(this.context.method);
      this.coders = this.#binding.coders;
      if (this.#binding.isOneWay) this.succeed({});
      else readAnswer(cursor, this, this.#binding.errors);
    } catch (error) {
      this.refused(RpcError.from(error, "internal"));
    }
  }

  protected override refused(error: RpcError): void {
    if (error.code === "invalid_argument") this.unreadable(error);
    else this.fail(error);
  }
}
