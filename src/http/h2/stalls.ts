/** Stalls are peers that leave something half sent, or what we sent unread. Looked at about once a second. */
import type { Http2Settings } from "./settings.ts";

/** What is watched of a stream. */
export interface Watched {
  readonly localDone: boolean;
  readonly queuedBytes: number;
  readonly sentBytes: number;
  markedBytes: number;
  markedMs: number;
}

/** Less is no progress: a peer could dribble for ever. */
const progressBytes = 1_024;

export class Stalls {
  readonly #timeoutMs: number;
  #frames = -1;
  #takenBytes = 0;
  #sinceMs = 0;

  constructor(settings: Http2Settings) {
    this.#timeoutMs = settings.stallTimeoutMs;
  }

  /**
   * What the connection stalls in, if it does. `isWithin`: a frame or a head has begun and not ended; `frames`: so many
   * were received in all; of `sentBytes` in all, the peer has not read `bufferedBytes`.
   */
  connection(
    nowMs: number, isWithin: boolean, frames: number, sentBytes: number, bufferedBytes: number,
  ): string | undefined {
    const takenBytes = sentBytes - bufferedBytes;
    const isMoving = bufferedBytes > 0 ? takenBytes > this.#takenBytes : !isWithin || frames !== this.#frames;
    if (isMoving) {
      this.#frames = frames;
      this.#sinceMs = nowMs;
    }
    this.#takenBytes = takenBytes;
    if (nowMs - this.#sinceMs < this.#timeoutMs) return undefined;
    return bufferedBytes > 0
      ? `the peer has read nothing for ${this.#timeoutMs} ms`
      : `the peer has left a frame unfinished for ${this.#timeoutMs} ms`;
  }

  /** Whether the peer does not let out the rest of a message that is complete here. */
  isStalled(stream: Watched, nowMs: number): boolean {
    if (!stream.localDone || stream.queuedBytes === 0) return false;
    if (stream.markedBytes < 0 || stream.sentBytes - stream.markedBytes >= progressBytes) {
      stream.markedBytes = stream.sentBytes;
      stream.markedMs = nowMs;
      return false;
    }
    return nowMs - stream.markedMs >= this.#timeoutMs;
  }
}
