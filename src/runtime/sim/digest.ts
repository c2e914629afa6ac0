/**
 * A Digest folds everything that happens into 64 bits, so that two runs can be compared byte for byte.
 *
 * FNV-1a with the 64-bit prime, taken over 32-bit words (bytes four at a time): not a defence against
 * anybody, only a cheap way to notice that two runs differ.
 */
export class Digest {
  // The offset basis of FNV-1a 64 as two halves; BigInt would cost fifty times as much.
  #high = 0xcbf2_9ce4;
  #low = 0x8422_2325;
  readonly #double = new DataView(new ArrayBuffer(8));

  foldWord(word: number): void {
    const low = (this.#low ^ word) >>> 0;
    // The prime is 2^40 + 0x1b3: a shift for the upper half, a multiplication for both.
    const product = low * 0x1b3;
    this.#low = product >>> 0;
    const carry = (product - this.#low) / 0x1_0000_0000;
    this.#high = (Math.imul(this.#high, 0x1b3) + carry + (low << 8)) >>> 0;
  }

  foldNumber(value: number): void {
    this.#double.setFloat64(0, value);
    this.foldWord(this.#double.getUint32(0));
    this.foldWord(this.#double.getUint32(4));
  }

  foldBytes(bytes: Uint8Array): void {
    const length = bytes.length;
    this.foldWord(length);
    let i = 0;
    for (; i + 3 < length; i += 4) {
      const upper = ((bytes[i] as number) << 24) | ((bytes[i + 1] as number) << 16);
      this.foldWord(upper | ((bytes[i + 2] as number) << 8) | (bytes[i + 3] as number));
    }
    for (; i < length; i++) this.foldWord(bytes[i] as number);
  }

  foldText(text: string): void {
    this.foldWord(text.length);
    for (let i = 0; i < text.length; i++) this.foldWord(text.charCodeAt(i));
  }

  /** Sixteen hexadecimal digits. */
  toString(): string {
    return this.#high.toString(16).padStart(8, "0") + this.#low.toString(16).padStart(8, "0");
  }
}
