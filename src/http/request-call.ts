/**
 * A RequestCall is one request, from its wait for a connection to the last byte of its answer, which is queued here
 * until it is read.
 */
import type { Timer } from "../core/alarm.ts";
import { expected, RpcError, type RpcErrorOptions } from "../core/error.ts";
import type { Code } from "../core/code.ts";
import type { Clock } from "../core/runtime.ts";
import type { Exchange, Head, HttpConnection, HttpSink } from "./message.ts";
import type { LaneUser, RequestLane } from "./request-lane.ts";

export interface CallSettings {
  /** Server, method and path, as messages say it. */
  readonly what: string;
  readonly head: Head;
  readonly body: string | undefined;
  readonly maxBodyBytes: number;
  /** Largest body of the answer. */
  readonly maxBytes: number;
  /** For the whole answer, or for its head alone where there is a `silenceMs`. */
  readonly timeoutMs: number;
  /** Longest time without a byte behind the head. */
  readonly silenceMs: number | undefined;
  readonly signal: AbortSignal | undefined;
}

/** `reading` has an answer's head; `ended` is over, well or not, though what came before may wait to be read. */
type CallState = "new" | "waiting" | "sent" | "reading" | "ended";

export class RequestCall implements HttpSink, LaneUser {
  readonly #clock: Clock;
  readonly #lane: RequestLane;
  readonly #settings: CallSettings;
  readonly #head = Promise.withResolvers<Head>();
  readonly #body: Uint8Array | undefined;
  readonly #aborted = (): void => this.cancel();
  #state: CallState = "new";
  #connection: HttpConnection | undefined = undefined;
  #exchange: Exchange | undefined = undefined;
  #isRepeated = false;
  #sentMs = 0;
  #heardMs = 0;
  #timer: Timer | undefined = undefined;
  #pieces: Uint8Array[] = [];
  #receivedBytes = 0;
  #failure: RpcError | undefined = undefined;
  #reader: PromiseWithResolvers<Uint8Array | undefined> | undefined = undefined;

  constructor(clock: Clock, lane: RequestLane, settings: CallSettings) {
    this.#clock = clock;
    this.#lane = lane;
    this.#settings = settings;
    this.#body = settings.body === undefined ? undefined : new TextEncoder().encode(settings.body);
    // Whoever ends it before it is asked for has nothing to hear.
    this.#head.promise.catch(() => undefined);
  }

  /** Sends it, and resolves with the answer's head. Once. */
  start(): Promise<Head> {
    const { signal, timeoutMs, maxBodyBytes } = this.#settings;
    if (signal?.aborted === true) {
      this.cancel();
    } else if ((this.#body?.length ?? 0) > maxBodyBytes) {
      const why = `the body has more than ${maxBodyBytes} bytes (maxBytes)`;
      this.#fail("resource_exhausted", why, { neverStarted: true });
    } else {
      signal?.addEventListener("abort", this.#aborted, { once: true });
      this.#timer = this.#clock.after(timeoutMs, () => this.#timedOut());
      this.#enter();
    }
    return this.#head.promise;
  }

  #enter(): void {
    this.#state = "waiting";
    this.#lane.enter(this);
  }

  begin(connection: HttpConnection): void {
    this.#state = "sent";
    this.#connection = connection;
    this.#sentMs = this.#heardMs = this.#clock.now();
    try {
      const exchange = this.#exchange = connection.request(this.#settings.head, this.#body === undefined, this);
      if (this.#body === undefined) return;
      exchange.begin().writeBytes(this.#body);
      exchange.end(true);
    } catch (error) {
      this.refused(RpcError.from(error, "internal"));
    }
  }

  refused(error: RpcError): void {
    this.#end(this.#told(error));
  }

  head(head: Head, last: boolean): void {
    const { maxBytes, silenceMs } = this.#settings;
    const encoding = head.fields["content-encoding"] ?? "identity";
    this.#heardMs = this.#clock.now();
    if (Number(head.fields["content-length"] ?? 0) > maxBytes && !last) {
      this.#tooLarge();
    } else if (encoding.toLowerCase() !== "identity") {
      this.#fail("internal", `the answer is encoded by ${encoding.slice(0, 32)}, which was not asked for`);
    } else {
      this.#state = "reading";
      if (silenceMs !== undefined) this.#listen(silenceMs);
      this.#head.resolve(head);
      if (last) this.#end(undefined);
    }
  }

  data(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    this.#heardMs = this.#clock.now();
    this.#receivedBytes += end - start;
    if (this.#receivedBytes > this.#settings.maxBytes) {
      this.#tooLarge();
      return;
    }
    if (end > start) {
      this.#pieces.push(bytes.subarray(start, end));
      this.#hand();
    }
    if (last) this.#end(undefined);
  }

  trailers(): void {
    this.#end(undefined);
  }

  writable(): void {
    // All of the body is given at once.
  }

  failed(error: RpcError): void {
    const mayRepeat = this.#state === "sent" && error.neverStarted && !this.#isRepeated;
    this.#exchange = undefined;
    if (!mayRepeat) {
      this.#end(this.#told(error));
      return;
    }
    this.#isRepeated = true;
    this.#state = "waiting";
    // Once the connection knows what it lost: it takes no more requests then.
    this.#clock.defer(() => {
      if (this.#state === "waiting") this.#lane.enter(this);
    });
  }

  /** The next piece of the answer's body; undefined behind the last. Rejects with what it failed of. */
  next(): Promise<Uint8Array | undefined> {
    this.#reader ??= Promise.withResolvers();
    const { promise } = this.#reader;
    this.#hand();
    return promise;
  }

  /** Ends it; does nothing once it is over, but that nobody reads what is left. */
  cancel(): void {
    this.#pieces = [];
    this.#fail("cancelled", "the request was cancelled", { neverStarted: this.#state === "new" });
  }

  /** Ends it for a reason of its reader's, who throws what is returned: all may have come already. */
  fail(code: Code, why: string): RpcError {
    this.#fail(code, why);
    return this.#failure ?? this.#errorOf(code, why);
  }

  #hand(): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    const piece = this.#pieces.shift();
    if (piece === undefined && this.#state !== "ended") return;
    this.#reader = undefined;
    if (piece !== undefined) {
      // What is consumed now may let the server's next words in.
      this.#exchange?.consumed(piece.length);
      this.#heardMs = this.#clock.now();
      reader.resolve(piece);
    } else if (this.#failure === undefined) {
      reader.resolve(undefined);
    } else {
      reader.reject(this.#failure);
    }
  }

  /** Fails once nothing came for so long, unless it is the reader who is slow. */
  #listen(silenceMs: number): void {
    this.#timer?.cancel();
    const check = (): void => {
      const leftMs = (this.#pieces.length > 0 ? this.#clock.now() : this.#heardMs) + silenceMs - this.#clock.now();
      if (leftMs > 0) this.#timer = this.#clock.after(leftMs, check);
      else this.#fail("deadline_exceeded", `nothing came for ${silenceMs} ms`, { retryable: true });
    };
    this.#timer = this.#clock.after(silenceMs, check);
  }

  #timedOut(): void {
    const { timeoutMs } = this.#settings;
    const connection = this.#connection;
    const state = this.#state;
    const what = state === "waiting" ? "no connection took the request"
      : state === "sent" ? "no answer" : "no complete answer";
    this.#fail("deadline_exceeded", `${what} within ${timeoutMs} ms`,
      { retryable: true, neverStarted: state === "waiting" });
    if (connection !== undefined) this.#lane.doubt(connection, this.#sentMs);
  }

  #tooLarge(): void {
    this.#fail("resource_exhausted", `the answer has more than ${this.#settings.maxBytes} bytes (maxBytes)`);
  }

  #fail(code: Code, why: string, options: RpcErrorOptions = {}): void {
    if (this.#state === "ended") return;
    this.#pieces = [];
    this.#end(this.#errorOf(code, why, options));
  }

  #errorOf(code: Code, why: string, options: RpcErrorOptions = {}): RpcError {
    return expected(code, `${this.#settings.what}: ${why}`, { retryable: false, phase: "network", ...options });
  }

  /** A failure below, with the request that it happened to. */
  #told(error: RpcError): RpcError {
    const { code, message, neverStarted, retryable, phase } = error;
    return expected(code, `${this.#settings.what}: ${message}`, { neverStarted, retryable, phase, cause: error });
  }

  #end(failure: RpcError | undefined): void {
    if (this.#state === "ended") return;
    const wasWaiting = this.#state === "waiting";
    this.#state = "ended";
    this.#timer?.cancel();
    this.#settings.signal?.removeEventListener("abort", this.#aborted);
    if (wasWaiting) this.#lane.leave(this);
    this.#failure = failure;
    if (failure !== undefined) {
      this.#exchange?.reset("cancel");
      this.#head.reject(failure);
    }
    this.#hand();
  }
}
