/** What a client knows of the server's protocol, and how its methods are called by it. */
import type { Code } from "../../core/code.ts";
import type { Context } from "../../core/context.ts";
import { expected, RpcError } from "../../core/error.ts";
import type { MethodInfo } from "../../core/method.ts";
import type { Coder } from "../../contract/codec.ts";
import type { MethodCoders } from "../../contract/coders.ts";
import { contractOf } from "../../contract/contract-of.ts";
import { type ContractProtocol, protocolOf } from "../../contract/avro/export.ts";
import { parseAvroProtocol } from "../../contract/avro/parse.ts";
import { type AvroMessage, type AvroProtocol, branchKey, unqualified } from "../../contract/avro/schema.ts";
import type { AnyMethod } from "../../contract/method.ts";
import { Writer } from "../../wire/writer.ts";
import type { OpenCall } from "../open-call.ts";
import { type AvroCursor, malformed, writeString } from "./binary.ts";
import { isPlain, readMetadata, splitReply, writeCallMetadata, writeDeadline } from "./call-metadata.ts";
import { type ErrorReading, readFailure } from "./failure.ts";
import { hashKey, type HandshakeRequest, type HandshakeResponse } from "./handshake.ts";
import type { AvroSettings } from "./settings.ts";

/** A method as the server has it. */
export interface Binding {
  readonly coders: MethodCoders;
  /** No metadata, and the message's name. */
  readonly plainHead: Uint8Array;
  readonly nameBytes: Uint8Array;
  readonly name: string;
  readonly isOneWay: boolean;
  readonly errors: readonly ErrorReading[];
}

/** The contract of a method. Throws for a method that was made without one. */
export function ownProtocol(method: MethodInfo): ContractProtocol {
  const contract = contractOf(method);
  if (contract !== undefined) return protocolOf(contract);
  throw new RpcError("unimplemented", `${method.path} cannot be called by Avro: its contract is not known here, and ` +
    "handshakes tell it; give the gateway its contracts", { neverStarted: true, retryable: false });
}

/** Protocols of servers that were told in handshakes: by hash, shared by the connections of one client. */
export class ServerKnowledge {
  readonly settings: AvroSettings;
  readonly #protocols = new Map<string, AvroProtocol>();

  constructor(settings: AvroSettings) {
    this.settings = settings;
  }

  protocol(hash: Uint8Array, text: string): AvroProtocol {
    const key = hashKey(hash);
    let protocol = this.#protocols.get(key);
    if (protocol === undefined) {
      protocol = parseAvroProtocol(text, { maxChars: this.settings.maxProtocolChars });
      if (this.#protocols.size >= this.settings.maxProtocols) {
        this.#protocols.delete(this.#protocols.keys().next().value as string);
      }
      this.#protocols.set(key, protocol);
    }
    return protocol;
  }
}

/** One service of one server. */
export class Remote {
  readonly own: ContractProtocol;
  readonly #knowledge: ServerKnowledge;
  readonly #codersOf: (method: MethodInfo) => MethodCoders;
  #hash: Uint8Array;
  #protocol: AvroProtocol;
  #bindings = new Map<MethodInfo, Binding>();

  constructor(own: ContractProtocol, knowledge: ServerKnowledge, coders: (method: MethodInfo) => MethodCoders) {
    this.own = own;
    this.#knowledge = knowledge;
    this.#codersOf = coders;
    // Until it says otherwise, the server is taken to have the same protocol.
    this.#hash = own.hash;
    this.#protocol = own.protocol;
  }

  request(withProtocol: boolean): HandshakeRequest {
    return {
      clientHash: this.own.hash, clientProtocol: withProtocol ? this.own.text : undefined, serverHash: this.#hash,
    };
  }

  /** Takes the server's side of a handshake in; whether it knows our protocol. */
  accept({ match, serverHash, serverProtocol }: HandshakeResponse): boolean {
    if (serverHash !== undefined && serverProtocol !== undefined && hashKey(serverHash) !== hashKey(this.#hash)) {
      this.#protocol = this.#knowledge.protocol(serverHash, serverProtocol);
      this.#hash = serverHash;
      this.#bindings = new Map();
    } else if (match === "CLIENT" && serverProtocol === undefined) {
      throw malformed("the server says that its protocol is another, and not which");
    }
    return match !== "NONE";
  }

  /** Throws `unimplemented`, certain not to have been begun, where the server has no such message. */
  binding(method: MethodInfo): Binding {
    let binding = this.#bindings.get(method);
    if (binding === undefined) this.#bindings.set(method, binding = this.#bind(method));
    return binding;
  }

  #bind(method: MethodInfo): Binding {
    const never = { neverStarted: true, retryable: false };
    const coders = this.#codersOf(method);
    if (coders.codec !== "avro") {
      throw new RpcError("invalid_argument",
        `Avro cannot carry messages of the codec ${coders.codec}: leave \`codec\` out`, never);
    }
    const why = this.own.omitted.get(method.name);
    if (why !== undefined) throw new RpcError("unimplemented", `${method.path}: ${why}`, never);
    const message = this.#protocol.messages.get(method.name);
    if (message === undefined) {
      const { name, messages } = this.#protocol;
      const why = messages.size > 0 ? "the contracts differ" : "it does not serve it (a gateway needs its contract)";
      throw expected("unimplemented", `the server's protocol ${name} has no message "${method.name}": ${why}`, never);
    }
    const head = new Writer(64);
    head.writeByte(0);
    writeString(head, method.name);
    const plainHead = head.finish();
    try {
      return {
        name: method.name, plainHead, nameBytes: plainHead.subarray(1), isOneWay: method.oneway === true &&
          message.isOneWay,
        errors: this.#errors(method, message, coders),
        coders: { ...coders, response: this.#response(method, message, coders) },
      };
    } catch (error) {
      const { code, message: text } = RpcError.from(error, "internal");
      throw expected(code, `${method.path}: ${text}`, never);
    }
  }

  get #isOwn(): boolean {
    return this.#protocol === this.own.protocol;
  }

  #response(method: MethodInfo, { response }: AvroMessage, { response: coder }: MethodCoders): Coder {
    if (response.type === "null" && method.oneway === true) return nothingCoder;
    return this.#isOwn ? coder : reading(coder, response);
  }

  #errors(method: MethodInfo, { name, errors }: AvroMessage, coders: MethodCoders): ErrorReading[] {
    const declared = this.own.errors.get(name) ?? [];
    const codes = (method as AnyMethod).errorCodes ?? {};
    return errors.branches.slice(1).map((branch): ErrorReading => {
      const type = branchKey(branch);
      const found = declared.find((one) => one.type === type) ??
        declared.find((one) => unqualified(one.type) === unqualified(type));
      const coder = found === undefined ? undefined : coders.error(found.reason);
      if (found === undefined || coder === undefined) return { type, reason: undefined, coder: undefined,
        code: "unknown" };
      const code: Code = codes[found.reason] ?? "failed_precondition";
      return { type, reason: found.reason, coder: this.#isOwn ? coder : reading(coder, branch), code };
    });
  }
}

function reading(coder: Coder, writer: unknown): Coder {
  return coder.reading === undefined ? coder : coder.reading(writer);
}

const nothingCoder: Coder = { encode: () => undefined, decode: () => ({}) };

/** Writes what stands before a request: metadata and the message's name. */
export function writeRequestHead(writer: Writer, { plainHead, nameBytes, name }: Binding, context: Context): void {
  if (isPlain(context)) {
    const leftMs = context.deadline - context.startedMs;
    if (leftMs > Number.MAX_SAFE_INTEGER) {
      writer.writeBytes(plainHead);
    } else {
      writeDeadline(writer, leftMs);
      // The name alone: behind the byte of empty metadata.
      writer.writeBytes(nameBytes);
    }
    return;
  }
  writeCallMetadata(writer, context, context.deadline - context.startedMs);
  writeString(writer, name);
}

/** Ends a call by its answer at the cursor. */
export function readAnswer(cursor: AvroCursor, call: OpenCall, errors: readonly ErrorReading[]): void {
  let failure: RpcError;
  try {
    const entries = readMetadata(cursor);
    const flag = cursor.byte();
    if (flag > 1) throw malformed(`the error flag is ${flag}`);
    if (flag === 0) {
      if (entries !== undefined && call.context.onMetadata !== undefined) tell(call.context, entries);
      call.answered(cursor.bytes, cursor.position, cursor.end);
      return;
    }
    failure = readFailure(cursor, errors, entries);
  } catch (error) {
    const { message } = RpcError.from(error, "internal");
    failure = expected("internal", `the reply cannot be read: ${message}`,
      { cause: error, phase: "decode", retryable: false });
  }
  call.fail(failure);
}

function tell(context: Context, entries: Readonly<Record<string, string>>): void {
  const { header, trailer } = splitReply(entries);
  for (const [kind, metadata] of [["header", header], ["trailer", trailer]] as const) {
    if (Object.keys(metadata).length > 0) context.onMetadata?.(kind, metadata);
  }
}
