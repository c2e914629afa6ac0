/** A line reader cuts a body of text into messages: a line each, or server-sent events. */
import { allocateBytes } from "../wire/text.ts";
import { endMark, errorMark, type Framing } from "./dialect.ts";
import { type Budget, type EnvelopeSink, Gathering } from "./envelope.ts";

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
/** How a line begins that says in `marked-lines` that the call failed: as our servers write it, and others do. */
const marks = ['{"error":{"code":', '{"error":{"status":', '{"error":{"message":'].map((one) =>
  new TextEncoder().encode(one));
/** Names of events that say how a call ended. */
const ends: Readonly<Record<string, number>> = { end: endMark, error: errorMark };

export class LineReader {
  readonly #sink: EnvelopeSink;
  readonly #framing: Framing;
  readonly #held: Gathering;
  #stopped = false;
  /** Bytes of the piece being read that no message counts: line feeds, empty lines, what is about events. */
  #idle = 0;
  /** The event that is being read. */
  #event = "";
  readonly #data: Gathering;
  #hasData = false;
  /** Bytes of the body since the last event that was a message: what that event, and what stood before it, came in. */
  #raw = 0;
  /** What the message now told of came in; of events. */
  eventBytes = 0;

  constructor(sink: EnvelopeSink, framing: Framing, maxMessageBytes: number, budget: Budget | undefined) {
    this.#sink = sink;
    this.#framing = framing;
    this.#held = new Gathering(maxMessageBytes, budget);
    this.#data = new Gathering(maxMessageBytes, budget);
  }

  /** Bytes kept of a line, or of an event, that has begun and not ended. */
  get heldBytes(): number {
    return this.#framing === "events" ? this.#raw : this.#held.length;
  }

  /** Returns how many of the bytes are of messages. Throws `resource_exhausted` for a message above the limit. */
  push(bytes: Uint8Array, start: number, end: number): number {
    this.#idle = 0;
    let at = start;
    while (at < end && !this.#stopped) {
      const found = bytes.indexOf(lineFeed, at);
      if (found < 0 || found >= end) break;
      this.#idle++;
      this.#raw += found + 1 - at;
      if (this.#held.length === 0) this.#line(bytes, at, found);
      else {
        this.#held.add(bytes, at, found);
        this.#heldLine();
      }
      at = found + 1;
    }
    if (at < end && !this.#stopped) {
      this.#held.add(bytes, at, end);
      this.#raw += end - at;
      at = end;
    }
    return this.#framing === "events" ? at - start : end - start - this.#idle;
  }

  /** The last line need not end in a line feed. Events that did not end are none. */
  end(): void {
    if (this.#stopped || this.#held.length === 0) return;
    this.#idle = 0;
    this.#heldLine();
  }

  stop(): void {
    this.#stopped = true;
    this.#held.drop();
    this.#data.drop();
  }

  #heldLine(): void {
    const { bytes, length } = this.#held;
    this.#held.drop();
    this.#line(bytes, 0, length);
  }

  #line(bytes: Uint8Array, start: number, to: number): void {
    const end = to > start && bytes[to - 1] === carriageReturn ? to - 1 : to;
    if (this.#framing === "events") {
      this.#eventLine(bytes, start, end);
      return;
    }
    if (isBlank(bytes, start, end)) {
      this.#idle += to - start;
      return;
    }
    const isError = this.#framing === "marked-lines" && marks.some((mark) => begins(bytes, start, end, mark));
    if (!this.#sink.envelope(isError ? errorMark : 0, bytes, start, to)) this.#stopped = true;
  }

  /** One line of an event (the standard's "interpreting an event stream"). */
  #eventLine(bytes: Uint8Array, start: number, end: number): void {
    if (start === end) {
      this.#dispatch();
      return;
    }
    const colon = bytes.indexOf(0x3a, start);
    const nameEnd = colon < 0 || colon > end ? end : colon;
    if (nameEnd === start) return;
    if (nameEnd - start > 8) return;
    const name = latin(bytes, start, nameEnd);
    const from = bytes[nameEnd + 1] === 0x20 && nameEnd + 1 < end ? nameEnd + 2 : Math.min(nameEnd + 1, end);
    if (name === "event") this.#event = latin(bytes, from, Math.min(end, from + 64));
    else if (name === "data") {
      if (this.#hasData) this.#data.add(feed, 0, 1);
      this.#data.add(bytes, from, end);
      this.#hasData = true;
    }
  }

  #dispatch(): void {
    const { bytes, length } = this.#data;
    const flags = Object.hasOwn(ends, this.#event) ? ends[this.#event] as number
      : this.#event === "" || this.#event === "message" ? 0 : undefined;
    const hasData = this.#hasData;
    this.#event = "";
    this.#hasData = false;
    this.#data.drop();
    // Events of names that say nothing here are for others.
    if (!hasData || flags === undefined) return;
    const kept = allocateBytes(length);
    kept.set(bytes.subarray(0, length));
    this.eventBytes = this.#raw;
    this.#raw = 0;
    if (!this.#sink.envelope(flags, kept, 0, length)) this.#stopped = true;
  }
}

const feed = new Uint8Array([lineFeed]);

function isBlank(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] !== 0x20 && bytes[i] !== 0x09) return false;
  return true;
}

function begins(bytes: Uint8Array, start: number, end: number, mark: Uint8Array): boolean {
  if (end - start < mark.length) return false;
  for (let i = 0; i < mark.length; i++) if (bytes[start + i] !== mark[i]) return false;
  return true;
}

function latin(bytes: Uint8Array, start: number, end: number): string {
  return String.fromCharCode(...bytes.subarray(start, end));
}
