/** A Sender is one call's permission to send data frames: it waits for credit and for room in the stream. */
import { RpcError } from "../../core/error.ts";
import { isPromise } from "../../core/service.ts";
import type { Coder } from "../../contract/codec.ts";
import { frameHeaderBytes } from "../../wire/frame-reader.ts";
import type { Channel } from "./channel.ts";
import { Flag, FrameType } from "./frame-types.ts";
import { sendMessage } from "./message.ts";

export class Sender {
  readonly #channel: Channel;
  readonly #id: number;
  #credit: number;
  /** What this call has sent in data frames, by which progress shows. */
  sentBytes = 0;
  #resume: (() => void) | undefined = undefined;
  /** Set when the call has ended: whoever waits is released and must stop. */
  stopped = false;

  constructor(channel: Channel, id: number) {
    this.#channel = channel;
    this.#id = id;
    this.#credit = channel.peer?.streamWindowBytes ?? 0;
  }

  /** Whether a data frame may go out now. Credit may be overdrawn by the one frame that uses it up. */
  get ready(): boolean {
    const channel = this.#channel;
    return this.stopped || channel.ended || (this.#credit > 0 && channel.sendCredit > 0 && !channel.outbox.full);
  }

  credited(bytes: number): void {
    this.#credit = Math.min(this.#credit + bytes, Number.MAX_SAFE_INTEGER);
    this.wake();
  }

  stop(): void {
    this.stopped = true;
    this.wake();
  }

  wake(): void {
    if (this.#resume === undefined || !this.ready) return;
    const resume = this.#resume;
    this.#resume = undefined;
    this.#channel.waiting.delete(this);
    resume();
  }

  /** Resolves when {@link ready}. What was written so far leaves first, or nobody would grant credit. */
  whenReady(): Promise<void> {
    if (this.ready) return Promise.resolve();
    this.#channel.outbox.flush();
    return new Promise((resolve) => {
      this.#resume = resolve;
      this.#channel.waiting.add(this);
    });
  }

  /** Sends one message of a stream. Call only when ready; returns the rest of a message that needs more frames. */
  message(coder: Coder, value: unknown): Uint8Array | undefined {
    const outbox = this.#channel.outbox;
    outbox.begin();
    const rest = sendMessage(this.#channel, FrameType.data, 0, this.#id, coder, value);
    this.#spend(outbox.lastPayloadBytes);
    return rest;
  }

  /** Sends the rest of a message that did not fit its first frame, as credit allows. */
  async continue(rest: Uint8Array): Promise<void> {
    const outbox = this.#channel.outbox;
    const most = this.#channel.peer?.maxFrameBytes ?? 0;
    for (let offset = 0; offset < rest.length;) {
      if (!this.ready) await this.whenReady();
      if (this.stopped || this.#channel.ended) return;
      const end = Math.min(offset + most, rest.length);
      outbox.begin();
      outbox.writeBytes(rest.subarray(offset, end));
      outbox.end(FrameType.data, end < rest.length ? Flag.more : 0, this.#id);
      this.#spend(end - offset);
      offset = end;
    }
  }

  /** A data frame costs its header too: empty messages are not free to whoever must keep them. */
  #spend(payloadBytes: number): void {
    const cost = payloadBytes + frameHeaderBytes;
    this.sentBytes += cost;
    this.#credit -= cost;
    this.#channel.sendCredit -= cost;
  }
}

/**
 * Sends every item of `items`; resolves when the last is written, or the call has ended and the items'
 * iterator was told so. Rejects with what the items or their encoding threw.
 */
export async function sendAll(sender: Sender, coder: Coder, items: AsyncIterable<unknown> | Iterable<unknown>):
  Promise<void> {
  const iterator = iteratorOf(items);
  for (;;) {
    if (!sender.ready) await sender.whenReady();
    if (sender.stopped) {
      await iterator.return?.();
      return;
    }
    const step = iterator.next();
    const item = isPromise(step) ? await step : step;
    if (item.done === true) return;
    if (sender.stopped) {
      await iterator.return?.();
      return;
    }
    const rest = sender.message(coder, item.value);
    if (rest !== undefined) await sender.continue(rest);
  }
}

function iteratorOf(items: AsyncIterable<unknown> | Iterable<unknown>): AsyncIterator<unknown> | Iterator<unknown> {
  const source = items as Partial<AsyncIterable<unknown> & Iterable<unknown>> | null | undefined;
  const asyncIterator = source?.[Symbol.asyncIterator];
  if (asyncIterator !== undefined) return asyncIterator.call(source);
  const iterator = source?.[Symbol.iterator];
  if (iterator !== undefined && typeof source !== "string") return iterator.call(source);
  throw new RpcError("invalid_argument", "a stream must be an AsyncIterable or an Iterable", { phase: "encode" });
}
