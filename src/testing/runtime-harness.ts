/** What the Runtime suite runs on, and the sink that records what a stream tells it. */
import type { ByteSink, ByteStream, Listener, Runtime } from "../core/runtime.ts";

export interface RuntimeHarness {
  /** The Runtime that listens, and the one that connects; they may be the same. */
  readonly server: Runtime;
  readonly client: Runtime;
  /** An address at which `server` may listen and nobody else does; with port 0 where there are ports. */
  listenAddress(): string;
  /** Runs `body` until it settles. Real time passes by itself; a simulation must be driven. */
  drive(body: () => Promise<void>): Promise<void>;
  /** Takes away what the case left. */
  close?(): Promise<void>;
}

export interface SuiteCase {
  readonly name: string;
  readonly body: (harness: RuntimeHarness) => Promise<void>;
}

export function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

export function checkEqual(actual: unknown, wanted: unknown, what: string): void {
  const [a, w] = [JSON.stringify(actual), JSON.stringify(wanted)];
  check(a === w, `${what}: ${a}, expected ${w}`);
}

export function sleep(runtime: Runtime, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    runtime.clock.after(delayMs, resolve);
  });
}

/** Records everything, keeps a running count and order of what it hears, and lets a test wait for it. */
export class RecordingSink implements ByteSink {
  stream: ByteStream | undefined = undefined;
  readonly chunks: Uint8Array[] = [];
  receivedBytes = 0;
  /** "opened", "drained", "closed" and runs of "received", in order. */
  readonly events: string[] = [];
  closedCount = 0;
  error: Error | undefined = undefined;
  onReceived: ((bytes: Uint8Array) => void) | undefined = undefined;
  onDrained: (() => void) | undefined = undefined;
  #waiting: { readonly until: () => boolean; readonly resolve: () => void }[] = [];

  opened(): void {
    this.#note("opened");
  }

  received(bytes: Uint8Array): void {
    this.chunks.push(bytes);
    this.receivedBytes += bytes.length;
    this.onReceived?.(bytes);
    this.#note("received");
  }

  drained(): void {
    this.onDrained?.();
    this.#note("drained");
  }

  closed(error?: Error): void {
    this.closedCount++;
    this.error = error;
    this.#note("closed");
  }

  /** Resolves once `condition` holds; it is asked after everything the sink hears. */
  until(condition: (sink: this) => boolean): Promise<void> {
    if (condition(this)) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push({ until: () => condition(this), resolve });
    });
  }

  untilOpened(): Promise<void> {
    return this.until((sink) => sink.events.includes("opened") || sink.closedCount > 0);
  }

  untilClosed(): Promise<void> {
    return this.until((sink) => sink.closedCount > 0);
  }

  untilReceived(count: number): Promise<void> {
    return this.until((sink) => sink.receivedBytes >= count || sink.closedCount > 0);
  }

  #note(event: string): void {
    if (event !== "received" || this.events.at(-1) !== "received") this.events.push(event);
    const ready = this.#waiting.filter((waiter) => waiter.until());
    this.#waiting = this.#waiting.filter((waiter) => !ready.includes(waiter));
    for (const { resolve } of ready) resolve();
  }
}

/** A listener whose accepted streams each get a sink, and one connection to it. */
export interface Pair {
  readonly listener: Listener;
  readonly client: RecordingSink;
  readonly clientStream: ByteStream;
  readonly server: RecordingSink;
  readonly serverStream: ByteStream;
  close(): Promise<void>;
}

/** Opens a connection from the harness's client to its server. */
export async function openPair(harness: RuntimeHarness): Promise<Pair> {
  const accepted = Promise.withResolvers<RecordingSink>();
  const listener = await harness.server.network.listen(harness.listenAddress(), (stream) => {
    const sink = new RecordingSink();
    sink.stream = stream;
    accepted.resolve(sink);
    return sink;
  });
  const client = new RecordingSink();
  const clientStream = harness.client.network.connect(listener.address, client);
  await client.untilOpened();
  check(client.closedCount === 0, `could not connect to ${listener.address}: ${client.error?.message}`);
  const server = await accepted.promise;
  const serverStream = server.stream as ByteStream;
  return {
    listener, client, clientStream, server, serverStream,
    async close() {
      clientStream.destroy();
      serverStream.destroy();
      await Promise.all([client.untilClosed(), server.untilClosed()]);
      await listener.close();
    },
  };
}

/** Bytes that tell their own position, so that loss, doubling and disorder show. */
export function pattern(length: number, from = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = patternAt(from + i);
  return bytes;
}

function patternAt(position: number): number {
  return (position * 31 + (position >> 8) * 17) & 0xff;
}

/** Checks that a sink received exactly the pattern from its beginning. */
export function checkPattern(sink: RecordingSink, length: number): void {
  checkEqual(sink.receivedBytes, length, "bytes received");
  let position = 0;
  for (const chunk of sink.chunks) {
    for (let i = 0; i < chunk.length; i++, position++) {
      const wanted = patternAt(position);
      if (chunk[i] !== wanted) throw new Error(`byte ${position} is ${chunk[i]}, expected ${wanted}`);
    }
  }
}
