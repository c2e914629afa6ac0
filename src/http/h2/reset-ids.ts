/** ResetIds remembers which streams we reset last: frames that were on their way to them are no mistake. */

/** Each takes the place of one so many streams before it. */
const remembered = 1_024;

export class ResetIds {
  #ids: Int32Array | undefined = undefined;

  add(id: number): void {
    this.#ids ??= new Int32Array(remembered);
    this.#ids[id >>> 1 & remembered - 1] = id;
  }

  has(id: number): boolean {
    return this.#ids?.[id >>> 1 & remembered - 1] === id;
  }
}
