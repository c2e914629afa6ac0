/** A HeaderBlock collects a block that comes in several frames, within limits on its size and their number. */
import { ErrorCode } from "./constants.ts";
import { fault } from "./failure.ts";
import type { Http2Settings } from "./settings.ts";

export class HeaderBlock {
  readonly #settings: Http2Settings;
  /** The stream whose block is incomplete; 0 if none is. */
  id = 0;
  isLast = false;
  dependsOn = 0;
  #bytes = nothing;
  #length = 0;
  #frames = 0;

  constructor(settings: Http2Settings) {
    this.#settings = settings;
  }

  begin(id: number, isLast: boolean, dependsOn: number, bytes: Uint8Array, start: number, end: number): void {
    this.id = id;
    this.isLast = isLast;
    this.dependsOn = dependsOn;
    this.#frames = -1;
    this.#length = 0;
    this.add(bytes, start, end);
  }

  /** Throws a ConnectionFault (ENHANCE_YOUR_CALM) when there is no end in sight. */
  add(bytes: Uint8Array, start: number, end: number): void {
    const { maxHeaderBlockBytes, maxContinuations } = this.#settings;
    const length = this.#length + end - start;
    if (length > maxHeaderBlockBytes) {
      throw fault(ErrorCode.calm, `a header block of more than ${maxHeaderBlockBytes} bytes (maxHeaderBlockBytes)`);
    }
    if (++this.#frames > maxContinuations) {
      throw fault(ErrorCode.calm, `more than ${maxContinuations} CONTINUATION frames (maxContinuations)`);
    }
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(Math.min(Math.max(length, 2 * this.#bytes.length, 1_024), maxHeaderBlockBytes));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(bytes.subarray(start, end), this.#length);
    this.#length = length;
  }

  /** The whole block. */
  take(): Uint8Array {
    const whole = this.#bytes.subarray(0, this.#length);
    this.#bytes = nothing;
    this.#length = 0;
    this.id = 0;
    return whole;
  }
}

const nothing = new Uint8Array(0);
