/**
 * A Link is one connection to one server with a session on it: requests in order, signs of life, and watches.
 *
 * A server that stands still closes no connection, so a link that heard nothing for `silentMs` is given up. Time is
 * counted in ticks: a process that stood still itself convicts nobody by the jump of its clock.
 */
import { RpcError } from "../../core/error.ts";
import type { ByteSink, ByteStream, Runtime, Security } from "../../core/runtime.ts";
import { frameCutter } from "./frames.ts";
import { JuteReader, type JuteWriter } from "./jute.ts";
import {
  authFrame, connectFrame, faults, type Handshake, type Operation, readEvent, readHandshake, request, reserved,
  ZooKeeperFault,
} from "./records.ts";

export interface Credentials {
  /** `digest`, or another scheme of the server's. */
  readonly scheme: string;
  /** `user:password` for `digest`. */
  readonly auth: string;
}

export interface LinkSettings {
  readonly security: Security | undefined;
  readonly credentials: Credentials | undefined;
  readonly connectTimeoutMs: number;
  /** A server that said nothing for so long is taken for dead. */
  readonly silentMs: number;
  readonly maxFrameBytes: number;
  /** Ends tries to connect. */
  readonly closing: AbortSignal;
}

export interface Link {
  readonly address: string;
  readonly session: Handshake;
  /** Aborted, with the error, when the connection is lost. */
  readonly lost: AbortSignal;
  /** Sends a request about `path` and gives its answer; `write` adds what follows the head. */
  ask<T>(operation: Operation, path: string, write: (writer: JuteWriter) => void, read: (reader: JuteReader) => T):
    Promise<T>;
  /** Hears of what happens at a path, once a read there has set a watch. The returned function ends that. */
  listen(path: string, listener: (type: number) => void): () => void;
  /** Takes back the watches of a path that nobody listens to any more. */
  forget(path: string): void;
  /** Ends the connection, and with `endSession` the session: its ephemeral nodes go at once. */
  close(endSession: boolean): Promise<void>;
}

interface Pending {
  readonly number: number;
  readonly operation: Operation;
  readonly path: string;
  readonly answer: (reader: JuteReader) => void;
  readonly fail: (error: RpcError) => void;
}

/** So many ticks make up the silence that is borne. */
const ticks = 5;
/** Most requests whose answers are awaited. */
const maxPending = 100_000;

/** Connects and takes up `session` (an id of 0 begins one). An answer with a timeout of 0 says it has expired. */
export function openLink(runtime: Runtime, address: string, session: Handshake, settings: LinkSettings): Promise<Link> {
  return new Promise((resolve, reject) => {
    const link = new OpenLink(runtime, address, settings, resolve, reject);
    link.open(session);
  });
}

const nobody: Handshake = { timeoutMs: 0, sessionId: 0n, password: new Uint8Array(16) };

class OpenLink implements Link, ByteSink {
  readonly address: string;
  session: Handshake = nobody;
  readonly #runtime: Runtime;
  readonly #settings: LinkSettings;
  readonly #end = new AbortController();
  readonly #closed = Promise.withResolvers<void>();
  readonly #resolve: (link: Link) => void;
  readonly #reject: (error: RpcError) => void;
  readonly #listeners = new Map<string, Set<(type: number) => void>>();
  #pending: Pending[] = [];
  /** Where the oldest of `#pending` stands: shifting a long array each time would be slow. */
  #oldest = 0;
  #lastNumber = 0;
  /** Whether the server took the session, and the credentials besides. */
  #isBegun = false;
  #isReady = false;
  #silentTicks = 0;
  #pingedMs = 0;
  /** What is said first. */
  #opening: Uint8Array = new Uint8Array(0);
  readonly #stop = (): void => this.#fail(unavailable("the session with ZooKeeper is closed"));
  readonly #cut: (bytes: Uint8Array) => void;
  #stream: ByteStream | undefined = undefined;
  #timer: { cancel(): void } | undefined = undefined;

  constructor(
    runtime: Runtime, address: string, settings: LinkSettings,
    resolve: (link: Link) => void, reject: (error: RpcError) => void,
  ) {
    this.#runtime = runtime;
    this.address = address;
    this.#settings = settings;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#cut = frameCutter(settings.maxFrameBytes, (bytes) => this.#frame(new JuteReader(bytes)));
  }

  get lost(): AbortSignal {
    return this.#end.signal;
  }

  open(session: Handshake): void {
    const { network, clock } = this.#runtime;
    const { connectTimeoutMs, security, closing } = this.#settings;
    closing.addEventListener("abort", this.#stop);
    this.#timer = clock.after(connectTimeoutMs, () =>
      this.#fail(unavailable(`ZooKeeper at ${this.address} took no session within ${connectTimeoutMs} ms`)));
    this.#opening = connectFrame(session);
    this.#stream = network.connect(this.address, this, security?.offering([]));
  }

  opened(): void {
    const { credentials } = this.#settings;
    this.#stream?.write(this.#opening);
    // Answered after the session was taken up, and before anything that is asked later.
    if (credentials !== undefined) {
      this.#stream?.write(authFrame(credentials.scheme, new TextEncoder().encode(credentials.auth)));
    }
  }

  received(bytes: Uint8Array): void {
    this.#silentTicks = 0;
    if (this.#end.signal.aborted) return;
    try {
      this.#cut(bytes);
    } catch (error) {
      const { message } = RpcError.from(error);
      this.#fail(unavailable(`ZooKeeper at ${this.address} sent what is none of its protocol: ${message}`, error));
    }
  }

  closed(error?: Error): void {
    const why = error?.message ?? (this.#isReady
      ? "it closed the connection"
      : "it closed the connection before it took the session; is it still starting, or is this port for TLS?");
    this.#fail(unavailable(`ZooKeeper at ${this.address} is lost: ${why}`, error));
    this.#closed.resolve();
  }

  #fail(error: RpcError): void {
    if (this.#end.signal.aborted) return;
    this.#end.abort(error);
    this.#timer?.cancel();
    this.#settings.closing.removeEventListener("abort", this.#stop);
    this.#stream?.destroy();
    this.#reject(error);
    const pending = this.#pending.splice(this.#oldest);
    this.#pending = [];
    this.#oldest = 0;
    for (const one of pending) one.fail(error);
    this.#listeners.clear();
  }

  #frame(reader: JuteReader): void {
    if (this.#end.signal.aborted) return;
    if (!this.#isBegun) return this.#begin(readHandshake(reader));
    const number = reader.int();
    reader.long();
    const fault = reader.int();
    if (number === reserved.ping) return;
    if (number === reserved.notification) return this.#notify(reader);
    if (number === reserved.auth) return fault === 0 ? this.#ready() : this.#refused();
    this.#answer(number, fault, reader);
  }

  #begin(session: Handshake): void {
    this.session = session;
    this.#isBegun = true;
    // Nobody may ask anything before it is known who asks; a session that has expired needs no name.
    if (this.#settings.credentials === undefined || session.timeoutMs <= 0) this.#ready();
  }

  #ready(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    this.#settings.closing.removeEventListener("abort", this.#stop);
    this.#timer?.cancel();
    this.#pingedMs = this.#runtime.clock.now();
    this.#tick();
    this.#resolve(this);
  }

  #refused(): void {
    const scheme = this.#settings.credentials?.scheme ?? "";
    this.#fail(new RpcError("unauthenticated", `ZooKeeper at ${this.address} refused the credentials of scheme ` +
      `"${scheme}" (option \`auth\`): does the server know the scheme, and the secret?`, { remote: true }));
  }

  #notify(reader: JuteReader): void {
    const { type, path } = readEvent(reader);
    for (const listener of [...this.#listeners.get(path) ?? []]) listener(type);
  }

  #answer(number: number, fault: number, reader: JuteReader): void {
    const pending = this.#pending[this.#oldest];
    if (pending?.number !== number) {
      throw new RpcError("invalid_argument", `an answer to request ${number}, expected ${pending?.number ?? "none"}`);
    }
    this.#oldest++;
    if (this.#oldest > 1_024) {
      this.#pending.splice(0, this.#oldest);
      this.#oldest = 0;
    }
    if (fault === 0) return pending.answer(reader);
    pending.fail(fault === faults.authFailed
      ? new RpcError("unauthenticated", `ZooKeeper at ${this.address} refused the credentials (option \`auth\`)`)
      : new ZooKeeperFault(fault, pending.operation, pending.path));
  }

  /** Listens for silence, and keeps the session alive. */
  #tick(): void {
    const { clock } = this.#runtime;
    // A session whose time is short is given up sooner: its server must not expire it while we still wait.
    const silentMs = Math.min(this.#settings.silentMs, this.session.timeoutMs * 2 / 3);
    const nowMs = clock.now();
    if (++this.#silentTicks > ticks) {
      this.#fail(unavailable(`ZooKeeper at ${this.address} said nothing for ${Math.round(silentMs)} ms`));
      return;
    }
    if (nowMs - this.#pingedMs >= Math.min(this.session.timeoutMs / 3, silentMs / 2)) {
      this.#pingedMs = nowMs;
      this.#stream?.write(request(reserved.ping, "ping").frame());
    }
    this.#timer = clock.after(silentMs / ticks, () => this.#tick()).unref();
  }

  ask<T>(
    operation: Operation, path: string, write: (writer: JuteWriter) => void, read: (reader: JuteReader) => T,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#end.signal.aborted) return reject(this.#end.signal.reason as RpcError);
      if (this.#pending.length - this.#oldest >= maxPending) {
        return reject(new RpcError("resource_exhausted", `ZooKeeper at ${this.address} owes ${maxPending} answers`));
      }
      this.#lastNumber = (this.#lastNumber % 0x7fff_ffff) + 1;
      const number = this.#lastNumber;
      const writer = request(number, operation);
      write(writer);
      const answer = (reader: JuteReader): void => {
        try {
          resolve(read(reader));
        } catch (error) {
          reject(unavailable(`ZooKeeper at ${this.address} answered ${operation} of ${path} with what cannot be read`,
            error));
          // Ends the link.
          throw error;
        }
      };
      this.#pending.push({ number, operation, path, answer, fail: reject });
      this.#stream?.write(writer.frame());
    });
  }

  listen(path: string, listener: (type: number) => void): () => void {
    let listeners = this.#listeners.get(path);
    if (listeners === undefined) this.#listeners.set(path, listeners = new Set());
    const heard = listeners;
    heard.add(listener);
    return () => {
      heard.delete(listener);
      if (heard.size === 0 && this.#listeners.get(path) === heard) this.#listeners.delete(path);
    };
  }

  forget(path: string): void {
    if (this.#listeners.has(path) || this.#end.signal.aborted) return;
    // Of any kind (3); that there was none, or that an old server cannot, harms nobody.
    this.ask("removeWatches", path, (writer) => writer.text(path).int(3), () => undefined).catch(() => undefined);
  }

  async close(endSession: boolean): Promise<void> {
    if (this.#end.signal.aborted) return;
    const timer = this.#runtime.clock.after(1_000, this.#closed.resolve);
    if (endSession) {
      const asked = this.ask("closeSession", "/", () => undefined, () => undefined).catch(() => undefined);
      await Promise.race([asked, this.#closed.promise]);
    }
    timer.cancel();
    this.#fail(unavailable(`the connection to ZooKeeper at ${this.address} was closed`));
  }
}

function unavailable(message: string, cause?: unknown): RpcError {
  return new RpcError("unavailable", message, { cause });
}
