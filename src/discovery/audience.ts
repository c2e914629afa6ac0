/** An Audience is who watches which name, and what each was told last, so that nobody is told the same twice. */
import type { Watcher } from "../core/discovery.ts";
import { type EndpointAddress, sameEndpoint } from "../core/endpoint.ts";
import type { RpcError } from "../core/error.ts";

/** What there is to say of a name. */
export type Answer =
  | { readonly state: "known"; readonly endpoints: readonly EndpointAddress[] }
  | { readonly state: "failed"; readonly error: RpcError };

interface Seat {
  readonly name: string;
  readonly watcher: Watcher;
  told: readonly EndpointAddress[] | undefined;
  failure: string | undefined;
}

export class Audience {
  readonly #seats = new Set<Seat>();

  get size(): number {
    return this.#seats.size;
  }

  /** The returned function takes the watcher out, also from within its own call. */
  add(name: string, watcher: Watcher): { tell: (answer: Answer) => void; leave: () => void } {
    const seat: Seat = { name, watcher, told: undefined, failure: undefined };
    this.#seats.add(seat);
    return { tell: (answer) => this.#tell(seat, answer), leave: () => this.#seats.delete(seat) };
  }

  /** Tells everybody who watches what there is to say of their name. */
  tellAll(answer: (name: string) => Answer): void {
    for (const seat of [...this.#seats]) this.#tell(seat, answer(seat.name));
  }

  /** Tells those who watch one name. */
  tellName(name: string, answer: Answer): void {
    for (const seat of [...this.#seats]) if (seat.name === name) this.#tell(seat, answer);
  }

  #tell(seat: Seat, answer: Answer): void {
    if (!this.#seats.has(seat)) return;
    if (answer.state === "failed") {
      if (seat.failure === answer.error.message) return;
      seat.failure = answer.error.message;
      seat.watcher.failed?.(answer.error);
      return;
    }
    seat.failure = undefined;
    if (seat.told !== undefined && sameSet(seat.told, answer.endpoints)) return;
    seat.told = answer.endpoints;
    seat.watcher.snapshot(answer.endpoints);
  }
}

function sameSet(a: readonly EndpointAddress[], b: readonly EndpointAddress[]): boolean {
  return a === b || (a.length === b.length && a.every((one, i) => sameEndpoint(one, b[i] as EndpointAddress)));
}
