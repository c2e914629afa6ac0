/** The UDP port of a server: takes each datagram to its session, and lets nobody in who has not proven its address. */
import type { Peer } from "../../core/peer.ts";
import type { AcceptOwner, ServedConnection } from "../../core/connection.ts";
import { expected, RpcError } from "../../core/error.ts";
import { badOption } from "../../core/option.ts";
import type { DatagramSocket, Network, Sealing } from "../../core/runtime.ts";
import { Cursor } from "../../wire/cursor.ts";
import { Writer } from "../../wire/writer.ts";
import type { Serving } from "../router.ts";
import type { Wire } from "../wire.ts";
import { cookieBytes, Cookies } from "./cookie.ts";
import { keysWire } from "./keys.ts";
import { type Head, headBytes, idOf, packet, PacketType, readHead, version } from "./packet.ts";
import type { Memory } from "./records.ts";
import { writeName } from "./request.ts";
import { keyBytes, type Keys, Seal } from "./seal.ts";
import { Session, type SessionOwner } from "./session.ts";
import { resolveUdpServer, type UdpServerOptions, type UdpServerSettings } from "./settings.ts";

/** What a server lends to its UDP port. */
export interface UdpPortOptions {
  readonly options: UdpServerOptions;
  /** Whether the server has TLS, and whether it takes those who do without. */
  readonly isSecured: boolean;
  readonly mayBeClear: boolean;
  /** A session has begun: the server counts, sweeps, drains and closes it. */
  readonly begun: (session: ServedConnection) => void;
  readonly ended: AcceptOwner["ended"];
}

export class UdpPort implements SessionOwner {
  readonly serving: Serving;
  readonly settings: UdpServerSettings;
  readonly memory: Memory;
  /** By which clients fetch keys; undefined where there is no TLS to fetch them by. */
  readonly wire: Wire | undefined;
  readonly #options: UdpPortOptions;
  readonly #sealing: Sealing;
  readonly #cookies: Cookies;
  readonly #sockets: DatagramSocket[] = [];
  readonly #sessions = new Map<bigint, Session>();
  /** Sessions in the clear by the hellos that began them, which come again when a welcome is lost. */
  readonly #hellos = new Map<string, Session>();
  #isClosing = false;

  constructor(serving: Serving, options: UdpPortOptions) {
    const { sealing } = serving.runtime;
    if (sealing === undefined) throw badOption("udp", true, "this runtime has nothing to prove addresses with");
    this.serving = serving;
    this.settings = resolveUdpServer(options.options, options.isSecured, options.mayBeClear);
    this.memory = { bytes: 0, maxBytes: this.settings.maxRememberedBytes };
    this.wire = options.isSecured ? keysWire((from) => this.#granted(from)) : undefined;
    this.#options = options;
    this.#sealing = sealing;
    this.#cookies = new Cookies(serving.runtime.clock, sealing);
  }

  /** Sessions that are open. */
  get sessions(): number {
    return this.#sessions.size;
  }

  /** Takes datagrams at `address`, which streams are taken at already. */
  async open(network: Network, address: string): Promise<void> {
    if (address.startsWith("unix:")) {
      throw badOption("udp", true, `there are no datagrams at ${address}: listen at a host and port`);
    }
    const early: [Uint8Array, string][] = [];
    let socket: DatagramSocket | undefined = undefined as DatagramSocket | undefined;
    socket = await network.datagrams(address, (bytes, from) => {
      if (socket === undefined) {
        if (early.length < 16) early.push([bytes, from]);
      } else {
        this.#received(socket, bytes, from);
      }
    });
    this.#sockets.push(socket);
    for (const [bytes, from] of early) this.#received(socket, bytes, from);
  }

  /** Lets nobody new in. */
  drain(): void {
    this.#isClosing = true;
  }

  /** After all sessions have ended. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await Promise.all(this.#sockets.map((socket) => socket.close()));
  }

  #received(socket: DatagramSocket, bytes: Uint8Array, from: string): void {
    const head = readHead(bytes);
    // What servers send is never answered, or two of them could be made to talk to each other.
    if (head === undefined || (head.type & 32) !== 0) return;
    if (head.version !== version) {
      this.#unproven(socket, from, bytes, packet(PacketType.versions, head.id, head.number, Uint8Array.of(1, 1)));
      return;
    }
    try {
      this.#packet(socket, head, bytes, from);
    } catch (error) {
      this.serving.observer.event?.("server.udp.malformed", { peer: from, why: RpcError.from(error).message });
    }
  }

  #packet(socket: DatagramSocket, head: Head, bytes: Uint8Array, from: string): void {
    const session = this.#sessions.get(head.id);
    if (session === undefined) {
      if (head.type === PacketType.hello && !head.isSealed) return this.#hello(socket, head, bytes, from);
      return this.#unproven(socket, from, bytes, packet(PacketType.reset, head.id, head.number));
    }
    if (head.isSealed !== (session.seal !== undefined)) return;
    const payload = session.seal === undefined ? bytes.subarray(headBytes) : session.seal.open(bytes, head.number);
    if (payload === undefined) return;
    if (head.type === PacketType.hello) {
      const { cookie, maxBytes } = readHello(payload);
      if (this.#cookies.isGood(cookie, from, head.id)) session.proven(from, socket, head.id, maxBytes);
      else this.#challenge(socket, from, bytes, head.id, session);
    } else if (session.address !== from) {
      // Perhaps a client whose address was changed on its way: it can prove the new one.
      this.#challenge(socket, from, bytes, head.id, session);
    } else {
      session.received(head.type, payload);
    }
  }

  /** A first hello, in the clear: nothing is kept before it shows a cookie. */
  #hello(socket: DatagramSocket, { id, number }: Head, bytes: Uint8Array, from: string): void {
    const { cookie, maxBytes } = readHello(bytes.subarray(headBytes));
    if (this.settings.encrypted) {
      return this.#refuse(socket, from, bytes, id, number, "datagrams are sealed here: give the client `tls`");
    }
    if (!this.#cookies.isGood(cookie, from, id)) return this.#challenge(socket, from, bytes, id, undefined);
    const helloKey = `${from} ${id}`;
    let session = this.#hellos.get(helloKey);
    if (session === undefined) {
      const refusal = this.#refusal();
      if (refusal !== undefined) return this.#refuse(socket, from, bytes, id, number, refusal.message);
      session = this.#begin(undefined, helloKey);
      this.#hellos.set(helloKey, session);
    }
    session.proven(from, socket, id, maxBytes);
  }

  #challenge(
    socket: DatagramSocket, from: string, bytes: Uint8Array, id: bigint, session: Session | undefined,
  ): void {
    const payload = new Uint8Array(1 + cookieBytes);
    payload[0] = cookieBytes;
    payload.set(this.#cookies.make(from, id), 1);
    const cookie = session === undefined ? packet(PacketType.cookie, id, 1, payload)
      : session.datagram(PacketType.cookie, payload);
    if (cookie !== undefined) this.#unproven(socket, from, bytes, cookie);
  }

  #refuse(
    socket: DatagramSocket, from: string, bytes: Uint8Array, id: bigint, number: number, why: string,
  ): void {
    const writer = new Writer(64);
    // As much of it as is no more than what came.
    writeName(writer, why.slice(0, Math.max(0, bytes.length - headBytes - 2)));
    this.#unproven(socket, from, bytes, packet(PacketType.refused, id, number, writer.finish()));
  }

  /** To an address that may be anybody's: never more than came from it. */
  #unproven(socket: DatagramSocket, to: string, received: Uint8Array, answer: Uint8Array): void {
    if (answer.length <= received.length) socket.send(answer, to);
  }

  #refusal(): RpcError | undefined {
    const { maxSessions } = this.settings;
    const why = this.#isClosing ? "the server is shutting down"
      : this.#sessions.size >= maxSessions ? `${maxSessions} sessions are open (maxSessions)` : undefined;
    return why === undefined ? undefined : expected("unavailable", why, { neverStarted: true });
  }

  /** Somebody asks for keys over TLS. */
  #granted(from: Peer): { readonly id: bigint; readonly keys: Keys } | RpcError {
    const refusal = this.#refusal();
    if (refusal !== undefined) return refusal;
    const keys = { sending: this.#sealing.random(keyBytes), receiving: this.#sealing.random(keyBytes) };
    return { id: this.#begin(new Seal(this.#sealing, keys), undefined, from).id, keys };
  }

  #begin(seal: Seal | undefined, helloKey: string | undefined, from?: Peer): Session {
    let id: bigint;
    do id = idOf(this.#sealing.random(8)); while (this.#sessions.has(id));
    const session = new Session(this, id, seal, { helloKey, certificate: from?.certificate });
    this.#sessions.set(id, session);
    this.#options.begun(session);
    return session;
  }

  ended(session: Session): void {
    this.#sessions.delete(session.id);
    if (session.helloKey !== undefined) this.#hellos.delete(session.helloKey);
    this.#options.ended(session, undefined);
  }
}

/** A cookie, if any, and the largest datagram that the client takes. */
function readHello(payload: Uint8Array): { readonly cookie: Uint8Array; readonly maxBytes: number } {
  const cursor = new Cursor().over(payload, 0, payload.length);
  return { cookie: cursor.run(cookieBytes), maxBytes: cursor.varint() };
}
