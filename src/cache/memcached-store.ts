/**
 * A cache in memcached, by a small client of our own: meta commands of memcached 1.6 over one connection, in order.
 *
 * Written because the packages for it open sockets of their own and could not run in the simulator. What is sent while
 * there is no connection opens one; when it breaks, everything that waits fails at once, and nothing is repeated.
 */
import { type ByteStream, numberOption, RpcError, type Runtime } from "../core/index.ts";
import { joined } from "../wire/joined.ts";
import type { CacheStore } from "./store.ts";

export interface MemcachedOptions {
  /** `host:port`. Default `127.0.0.1:11211`. */
  readonly address?: string | undefined;
  /** What all keys begin with, at most 40 characters. Default `meridian:`. */
  readonly prefix?: string | undefined;
  /** Longest text that is sent, in bytes; longer ones are not cached. Default 1,000,000, as memcached's own limit. */
  readonly maxValueBytes?: number | undefined;
  /** Most commands that wait for their answers; more fail. Default 1,024. */
  readonly maxPending?: number | undefined;
}

export interface MemcachedStore extends CacheStore {
  /** Ends the connection; the next command opens another. */
  close(): void;
}

interface Command {
  /** Hears the line of an answer, and the value if there is one. */
  answered(line: string, value: Uint8Array | undefined): void;
  failed(error: RpcError): void;
}

const maxLineBytes = 2_048;
/** Beyond thirty days memcached takes a time to live for a date. */
const maxTtlSeconds = 30 * 86_400;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Makes a store. It connects when it is first asked. */
export function memcachedStore(
  { network }: Pick<Runtime, "network">, options: MemcachedOptions = {},
): MemcachedStore {
  const { address = "127.0.0.1:11211", prefix = "meridian:" } = options;
  if (!/^[\x21-\x7e]{0,40}$/.test(prefix)) {
    throw new RpcError("invalid_argument", `prefix is ${JSON.stringify(prefix.slice(0, 64))}: expected at most 40 ` +
      "printable characters without spaces");
  }
  const maxValueBytes = numberOption("maxValueBytes", options.maxValueBytes ?? 1_000_000,
    { least: 1, most: 1 << 30, whole: true, unit: "bytes" });
  const maxPending = numberOption("maxPending", options.maxPending ?? 1_024, { least: 1, most: 1 << 20, whole: true });
  const name = `memcached ${address}`;
  let link: Link | undefined;

  function send<T>(bytes: Uint8Array, read: (line: string, value: Uint8Array | undefined) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (link === undefined || link.isClosed) link = new Link(network, address, maxValueBytes);
      if (link.pending >= maxPending) {
        reject(new RpcError("resource_exhausted", `${maxPending} commands wait for ${name} (maxPending)`));
        return;
      }
      link.send(bytes, {
        answered(line, value) {
          try {
            resolve(read(line, value));
          } catch (error) {
            reject(RpcError.from(error));
          }
        },
        failed: reject,
      });
    });
  }

  function strange(line: string): RpcError {
    return new RpcError("unavailable", `${name} answered ${JSON.stringify(line.slice(0, 100))}`);
  }

  return {
    name, isShared: true,
    get: (keys) => Promise.all(keys.map((key) =>
      send(encoder.encode(`mg ${prefix}${key} v\r\n`), (line, value) => {
        if (value !== undefined) return decoder.decode(value);
        if (line === "EN") return undefined;
        throw strange(line);
      }))),
    async set(key, text, ttlMs) {
      const value = encoder.encode(text);
      if (value.length > maxValueBytes) return;
      const ttl = Math.min(maxTtlSeconds, Math.max(1, Math.floor(ttlMs / 1_000)));
      const head = encoder.encode(`ms ${prefix}${key} ${value.length} T${ttl}\r\n`);
      const bytes = new Uint8Array(head.length + value.length + 2);
      bytes.set(head);
      bytes.set(value, head.length);
      bytes[bytes.length - 2] = 13;
      bytes[bytes.length - 1] = 10;
      await send(bytes, (line) => {
        // What has no room there is not cached, which is no failure of memcached's.
        if (line !== "HD" && line !== "NS" && !/^SERVER_ERROR (object too large|out of memory)/.test(line)) {
          throw strange(line);
        }
      });
    },
    async delete(key) {
      await send(encoder.encode(`md ${prefix}${key}\r\n`), (line) => {
        if (line !== "HD" && line !== "NF") throw strange(line);
      });
    },
    close: () => link?.end(new RpcError("cancelled", `${name} was closed here`)),
  };
}

/** One connection: commands out, answers in the same order. */
class Link {
  readonly #stream: ByteStream;
  readonly #address: string;
  readonly #maxValueBytes: number;
  #waiting: Command[] = [];
  /** The first of `#waiting` that is still owed an answer; those before are done. */
  #head = 0;
  #unread: Uint8Array = new Uint8Array(0);
  isClosed = false;

  constructor(network: Runtime["network"], address: string, maxValueBytes: number) {
    this.#address = address;
    this.#maxValueBytes = maxValueBytes;
    this.#stream = network.connect(address, {
      received: (bytes) => this.#received(bytes),
      closed: (error) => this.end(new RpcError("unavailable",
        `the connection to memcached ${address} ended${error === undefined ? "" : `: ${error.message}`}`)),
    });
  }

  get pending(): number {
    return this.#waiting.length - this.#head;
  }

  send(bytes: Uint8Array, command: Command): void {
    this.#waiting.push(command);
    this.#stream.write(bytes);
  }

  end(error: RpcError): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#stream.destroy();
    const failed = this.#waiting.slice(this.#head);
    this.#waiting = [];
    this.#head = 0;
    for (const command of failed) command.failed(error);
  }

  #received(bytes: Uint8Array): void {
    if (this.isClosed) return;
    const all = this.#unread.length === 0 ? bytes : joined([this.#unread, bytes]);
    let at = 0;
    for (let next = this.#answer(all, at); next > at && !this.isClosed; next = this.#answer(all, at)) at = next;
    this.#unread = at === 0 ? all : all.slice(at);
    if (this.#unread.length > this.#maxValueBytes + 2 * maxLineBytes) this.#nonsense("a value that is longer than any");
  }

  /** Hands the answer at `at` to its command; returns where the next begins, or `at` while it is not whole. */
  #answer(bytes: Uint8Array, at: number): number {
    const lineEnd = bytes.indexOf(10, at);
    if (lineEnd < 0) {
      if (bytes.length - at > maxLineBytes) this.#nonsense("a line without an end");
      return at;
    }
    const line = decoder.decode(bytes.subarray(at, bytes[lineEnd - 1] === 13 ? lineEnd - 1 : lineEnd));
    const [, digits] = /^VA (\d{1,9})(?: |$)/.exec(line) ?? [];
    let next = lineEnd + 1;
    let value: Uint8Array | undefined;
    if (digits !== undefined) {
      const length = Number(digits);
      if (length > this.#maxValueBytes + maxLineBytes) {
        this.#nonsense(`a value of ${length} bytes`);
        return at;
      }
      if (bytes.length < next + length + 2) return at;
      value = bytes.subarray(next, next + length);
      next += length + 2;
    }
    const command = this.#waiting[this.#head++];
    if (this.#head > 256) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
    if (command === undefined) this.#nonsense("what nobody asked for");
    else command.answered(line, value);
    return next;
  }

  #nonsense(what: string): void {
    this.end(new RpcError("unavailable", `memcached ${this.#address} sent ${what}`));
  }
}
