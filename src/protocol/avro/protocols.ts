/** What a server knows of protocols: its contracts' own, and those that clients told in handshakes. */
import { expected, RpcError } from "../../core/error.ts";
import { type ContractProtocol, type DeclaredError, protocolOf } from "../../contract/avro/export.ts";
import { canonicalForm } from "../../contract/avro/canonical.ts";
import { md5 } from "../../contract/avro/md5.ts";
import { parseAvroProtocol } from "../../contract/avro/parse.ts";
import { type AvroProtocol, unqualified } from "../../contract/avro/schema.ts";
import type { Coder } from "../../contract/codec.ts";
import type { AnyContract } from "../../contract/service.ts";
import { Writer } from "../../wire/writer.ts";
import type { Route, Serving } from "../router.ts";
import { type AvroCursor, malformed } from "./binary.ts";
import { hashKey, readHandshakeRequest, sameHash, writeHandshakeResponse } from "./handshake.ts";
import type { AvroSettings } from "./settings.ts";

/** A message of a client, with what serves it: its request is read as its client wrote it. */
export interface BoundMessage {
  readonly route: Route;
  readonly isOneWay: boolean;
  readonly errors: readonly DeclaredError[];
}

/** Most characters of clients' documents that are kept, all together. */
const maxKeptChars = 16 * 1_048_576;

/** What most handshakes are answered. */
const bothKnown = (() => {
  const writer = new Writer(8);
  writeHandshakeResponse(writer, { match: "BOTH", serverProtocol: undefined, serverHash: undefined });
  return writer.finish();
})();

export class ServerProtocols {
  readonly #serving: Serving;
  readonly #settings: AvroSettings;
  /** By hash; the one used last stands last. */
  readonly #clients = new Map<string, ClientProtocol>();
  #keptChars = 0;

  constructor(serving: Serving, settings: AvroSettings) {
    this.#serving = serving;
    this.#settings = settings;
  }

  /**
   * Reads a handshake, and answers it. `client` is undefined where the client must come again with its protocol; `hint`
   * is the service that it means, where the transport has said so.
   */
  handshake(cursor: AvroCursor, hint?: string): { client: ClientProtocol | undefined; response: Uint8Array } {
    const { clientHash, clientProtocol, serverHash } = readHandshakeRequest(cursor, this.#settings.maxProtocolChars);
    const key = hashKey(clientHash);
    let client = this.#known(key);
    if (client === undefined && clientProtocol !== undefined) client = this.#learn(key, clientProtocol);
    const own = client === undefined ? this.#meant(hashKey(serverHash), hint) : client.own;
    const isKnown = own !== undefined && sameHash(own.hash, serverHash);
    const match = client === undefined ? "NONE" : isKnown ? "BOTH" : "CLIENT";
    if (match === "BOTH") return { client, response: bothKnown };
    const document = own ?? (client === undefined ? undefined : empty(client.protocol.name));
    const writer = new Writer(64);
    writeHandshakeResponse(writer, { match, serverProtocol: document?.text, serverHash: document?.hash });
    return { client, response: writer.finish() };
  }

  #known(key: string): ClientProtocol | undefined {
    const known = this.#clients.get(key);
    if (known !== undefined) {
      this.#clients.delete(key);
      this.#clients.set(key, known);
      return known;
    }
    // One of our own: a client with the same document, byte for byte.
    const own = this.#all().find(({ hash }) => hashKey(hash) === key);
    return own === undefined ? undefined : this.#keep(key, new ClientProtocol(own.protocol, own, 0, this.#serving));
  }

  #learn(key: string, text: string): ClientProtocol {
    // Another client's calls would be misread by it.
    if (hashKey(md5(new TextEncoder().encode(text))) !== key) {
      throw malformed("the client's hash is not the MD5 of the protocol that came with it");
    }
    const protocol = parseAvroProtocol(text, { maxChars: this.#settings.maxProtocolChars });
    const all = this.#all();
    const local = unqualified(protocol.name);
    const alike = all.filter(({ contract }) => unqualified(contract.name) === local);
    const own = all.find(({ contract }) => contract.name === protocol.name) ??
      (alike.length === 1 ? alike[0] : undefined);
    return this.#keep(key, new ClientProtocol(protocol, own, text.length, this.#serving));
  }

  #keep(key: string, client: ClientProtocol): ClientProtocol {
    this.#clients.set(key, client);
    this.#keptChars += client.chars;
    for (const [oldest, other] of this.#clients) {
      if (this.#clients.size <= this.#settings.maxProtocols && this.#keptChars <= maxKeptChars) break;
      if (other === client) break;
      this.#clients.delete(oldest);
      this.#keptChars -= other.chars;
    }
    return client;
  }

  /** What a client that we do not know probably means. */
  #meant(serverHash: string, hint: string | undefined): ContractProtocol | undefined {
    const all = this.#all();
    return all.find(({ contract }) => contract.name === hint) ?? all.find(({ hash }) => hashKey(hash) === serverHash) ??
      all.find(({ protocol }) => protocol.messages.size > 0);
  }

  #all(): readonly ContractProtocol[] {
    return (this.#serving.contracts?.() ?? []).flatMap((contract: AnyContract) => {
      try {
        return [protocolOf(contract)];
      } catch {
        // It is not served by this wire, which its export says why.
        return [];
      }
    });
  }
}

/** What is told of a protocol that is not served here, so that its client can go on to hear so. */
function empty(name: string): { readonly text: string; readonly hash: Uint8Array } {
  const dot = name.lastIndexOf(".");
  const text = JSON.stringify({ protocol: name.slice(dot + 1), namespace: name.slice(0, Math.max(0, dot)),
    messages: {} });
  return { text, hash: md5(new TextEncoder().encode(text)) };
}

/** A client's protocol, and what serves its messages. */
export class ClientProtocol {
  readonly protocol: AvroProtocol;
  /** That of ours which it means. */
  readonly own: ContractProtocol | undefined;
  readonly chars: number;
  readonly #serving: Serving;
  readonly #messages = new Map<string, BoundMessage>();

  constructor(protocol: AvroProtocol, own: ContractProtocol | undefined, chars: number, serving: Serving) {
    this.protocol = protocol;
    this.own = own;
    this.chars = chars;
    this.#serving = serving;
  }

  message(name: string): BoundMessage | RpcError {
    const known = this.#messages.get(name);
    if (known !== undefined) return known;
    const message = this.protocol.messages.get(name);
    const never = { neverStarted: true, retryable: false };
    if (message === undefined) {
      return expected("unimplemented", `the client's own protocol ${this.protocol.name} has no message ` +
        JSON.stringify(name.slice(0, 128)), never);
    }
    const { own } = this;
    if (own === undefined) {
      const served = (this.#serving.contracts?.() ?? []).map((contract) => contract.name).join(", ");
      return expected("unimplemented",
        `"${this.protocol.name.slice(0, 256)}" is not served here by Avro; this server ` +
        `has ${served || "no contract"}`, never);
    }
    const omitted = own.omitted.get(name);
    if (omitted !== undefined) return expected("unimplemented", `${own.contract.name}/${name}: ${omitted}`, never);
    const found = this.#serving.router({
      path: `${own.contract.name}/${name}`, namedByContract: true, codec: "avro", kind: "unary", idempotent: false,
      criticality: "default", isDecoded: true,
    });
    if (RpcError.is(found)) return found;
    try {
      const { coders } = found;
      const ours = own.protocol.messages.get(name)?.request;
      const isSame = this.protocol === own.protocol ||
        (ours !== undefined && canonicalForm(ours) === canonicalForm(message.request));
      if (!isSame && coders.request.reading === undefined) {
        // A gateway that hands bytes on: they would be misread by whoever has the contract's own schemas.
        return expected("failed_precondition", `${own.contract.name}/${name}: the client's schemas are not the ` +
          "contract's, and this gateway passes messages on as they are: call it with the contract's own", never);
      }
      const request = isSame ? coders.request : coders.request.reading?.(message.request);
      const bound: BoundMessage = {
        route: { ...found, coders: { ...coders, request: request as Coder } }, isOneWay: message.isOneWay,
        errors: own.errors.get(name) ?? [],
      };
      this.#messages.set(name, bound);
      return bound;
    } catch (error) {
      const { code, message: why } = RpcError.from(error, "internal");
      return expected(code, `${own.contract.name}/${name}: ${why}`, never);
    }
  }
}
