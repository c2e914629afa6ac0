/** Answering is what becomes of one message on a server: handshake, metadata, name, and a call; whatever carried it. */
import type { Context } from "../../core/context.ts";
import { RpcError } from "../../core/error.ts";
import { Writer } from "../../wire/writer.ts";
import type { Serving } from "../router.ts";
import type { UnaryCall, UnaryCalls, UnaryOpening } from "../unary-calls.ts";
import { AvroCursor } from "./binary.ts";
import { readCallMetadata, writeReplyMetadata } from "./call-metadata.ts";
import { writeFailure } from "./failure.ts";
import { type BoundMessage, type ClientProtocol, ServerProtocols } from "./protocols.ts";
import type { AvroSettings } from "./settings.ts";

/** Where the answer to one message goes. Exactly one of `end` and `none` is called, once. */
export interface AnswerSink {
  /** Opens the answer. Undefined where nobody listens any more. */
  begin(): Writer | undefined;
  end(): void;
  /** Takes back what was written since `begin`. */
  abort(): void;
  /** There is no answer: the message is one-way. */
  none(): void;
}

export interface Asking {
  readonly calls: UnaryCalls;
  readonly receivedMs: number;
  /** Of a connection whose handshake is done; undefined where the message begins with one. */
  readonly client: ClientProtocol | undefined;
  /** The service that the transport names, if it does. */
  readonly hint?: string | undefined;
}

/** What a message came to: a call that goes on, and the client's protocol once it is known. */
export interface Asked {
  call: UnaryCall | undefined;
  client: ClientProtocol | undefined;
}

const maxNameBytes = 1_024;

export class Answering {
  readonly protocols: ServerProtocols;
  readonly settings: AvroSettings;
  readonly #cursor = new AvroCursor();

  constructor(serving: Serving, settings: AvroSettings) {
    this.protocols = new ServerProtocols(serving, settings);
    this.settings = settings;
  }

  /** Handles `bytes[start, end)`. Throws `invalid_argument` for what is no message: its carrier ends by that. */
  answer(asking: Asking, sink: AnswerSink, bytes: Uint8Array, start: number, end: number): Asked {
    const cursor = this.#cursor.over(bytes, start, end);
    let { client } = asking;
    let prefix: Uint8Array | undefined;
    if (client === undefined) {
      ({ client, response: prefix } = this.protocols.handshake(cursor, asking.hint));
      if (client === undefined) {
        answerBy(sink, prefix, () => undefined);
        return { client, call: undefined };
      }
    }
    const { timeoutMs, fields } = readCallMetadata(cursor);
    const name = cursor.text(maxNameBytes, "the message's name");
    if (name === "") {
      // A ping, by which a client may also do its handshake alone.
      answerBy(sink, prefix, (writer) => {
        if (prefix === undefined) writer.writeBytes(emptyAnswer);
      });
      return { client, call: undefined };
    }
    const opening: UnaryOpening = {
      receivedMs: asking.receivedMs, fields,
      deadline: timeoutMs === undefined ? Infinity : asking.receivedMs + timeoutMs,
    };
    const bound = client.message(name);
    const message = RpcError.is(bound) ? undefined : bound;
    // Only a client whose handshake was done before waits for nothing at all.
    const isSilent = message?.isOneWay === true && prefix === undefined;
    const { position } = cursor;
    const call = asking.calls.begin(RpcError.is(bound) ? bound : bound.route, opening, bytes, position, end,
      (error, value, context) => {
        if (isSilent) sink.none();
        else if (error === undefined) answerValue(sink, prefix, message as BoundMessage, value, context);
        else answerError(sink, prefix, message, error, context);
      });
    return { client, call };
  }
}

/** No metadata, no error, nothing. */
const emptyAnswer = Uint8Array.of(0, 0);

function answerBy(sink: AnswerSink, prefix: Uint8Array | undefined, write: (writer: Writer) => void): void {
  const writer = sink.begin();
  if (writer !== undefined) {
    if (prefix !== undefined) writer.writeBytes(prefix);
    write(writer);
  }
  sink.end();
}

function answerValue(
  sink: AnswerSink, prefix: Uint8Array | undefined, message: BoundMessage, value: unknown, context: Context | undefined,
): void {
  const { route } = message;
  try {
    const writer = sink.begin();
    if (writer !== undefined) {
      if (prefix !== undefined) writer.writeBytes(prefix);
      writeReplyMetadata(writer, context?.reply, context?.reply?.trailer);
      writer.writeByte(0);
      if (!message.isOneWay) route.coders.response.encode(value, writer);
    }
  } catch (error) {
    sink.abort();
    const { message: why } = RpcError.from(error, "internal");
    answerError(sink, prefix, message, new RpcError("internal", `the reply cannot be encoded: ${why}`,
      { cause: error, phase: "encode", retryable: false }), context);
    return;
  }
  sink.end();
}

function answerError(
  sink: AnswerSink, prefix: Uint8Array | undefined, message: BoundMessage | undefined, error: RpcError,
  context: Context | undefined,
): void {
  answerBy(sink, prefix, (writer) => {
    // What cannot be written of an error must not leave half an answer: it is built aside.
    const aside = new Writer(256);
    writeFailure(aside, error, message?.route.coders, message?.errors ?? [], context?.reply?.trailer);
    writer.writeBytes(aside.finish());
  });
}

