/** A part is what a reload changes: it first says whether it can, and then does, at one instant with all others. */
import type { Config } from "./config.ts";

/** What a part is ready to do. */
export interface Prepared {
  /** Puts the next configuration in force. Synchronous, and never fails. */
  commit(): void;
  /** Another part cannot: gives back what was made ready. */
  abort(): void;
}

export interface Part {
  /** Makes ready what `next` needs. Throws an RpcError where that cannot be; nothing has changed then. */
  prepare(next: Config): Prepared;
}
