// Losses of one connection, known some packets ahead, so that what they change can be told from what they do not.
import type { Chance } from "./chance.ts";

/** Each packet is lost with the same probability, by itself. */
export class Losses {
  readonly #chance: Chance;
  readonly #logKept: number;
  readonly #gaps: number[];

  constructor(chance: Chance, loss: number) {
    this.#chance = chance;
    this.#logKept = Math.log1p(-loss);
    this.#gaps = [this.#gap(), this.#gap(), this.#gap()];
  }

  #gap(): number {
    return this.#logKept === 0 ? Infinity : Math.floor(Math.log(1 - this.#chance.next()) / this.#logKept);
  }

  /** Packets that arrive before the next one that does not. */
  get until(): number {
    return this.#gaps[0] as number;
  }

  /** How many packets after the next lost one the second to follow it is lost. */
  get untilThird(): number {
    return (this.#gaps[1] as number) + (this.#gaps[2] as number) + 2;
  }

  /** Leaves out the next loss and all before it. */
  skip(): void {
    this.#gaps.shift();
    this.#gaps.push(this.#gap());
  }

  /** So many packets arrive. */
  pass(packets: number): void {
    (this.#gaps[0] as number) -= packets;
  }

  /** Forgets how far the next loss is: whatever came before, it is as far as ever. */
  renew(): void {
    this.skip();
  }

  lost(): boolean {
    if ((this.#gaps[0] as number) > 0) {
      (this.#gaps[0] as number)--;
      return false;
    }
    this.skip();
    return true;
  }
}
