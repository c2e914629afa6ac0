/** A relay is a discovery made of others: each name is followed once, for all who watch it. */
import type { Discovery } from "../core/discovery.ts";
import type { EndpointAddress } from "../core/endpoint.ts";
import type { RpcError } from "../core/error.ts";
import { type Answer, Audience } from "./audience.ts";

/** Begins to follow a name, and tells what there is to say of it, at once or later; returns what ends it. */
export type Follow = (name: string, tell: (answer: Answer) => void) => () => void;

/** Makes the discovery; a name is followed from its first watcher to its last. */
export function relay(follow: Follow): Discovery {
  const names = new Map<string, Followed>();
  return {
    watch(name, watcher) {
      let followed = names.get(name);
      if (followed === undefined) names.set(name, followed = new Followed());
      const { audience } = followed;
      const seat = audience.add(name, watcher);
      const leave = (): void => {
        seat.leave();
        if (audience.size > 0 || names.get(name) !== followed) return;
        names.delete(name);
        followed.end();
      };
      if (followed.isNew) {
        try {
          followed.begin(name, follow);
        } catch (error) {
          leave();
          throw error;
        }
      } else {
        if (followed.last !== undefined) seat.tell({ state: "known", endpoints: followed.last });
        if (followed.failure !== undefined) seat.tell({ state: "failed", error: followed.failure });
      }
      return leave;
    },
  };
}

class Followed {
  readonly audience = new Audience();
  isNew = true;
  last: readonly EndpointAddress[] | undefined = undefined;
  failure: RpcError | undefined = undefined;
  #stop: (() => void) | undefined = undefined;
  #ended = false;

  begin(name: string, follow: Follow): void {
    this.isNew = false;
    this.#stop = follow(name, (answer) => {
      if (this.#ended) return;
      if (answer.state === "known") {
        this.last = answer.endpoints;
        this.failure = undefined;
      } else {
        this.failure = answer.error;
      }
      this.audience.tellName(name, answer);
    });
    // Its only watcher may have left from within what it was told first.
    if (this.#ended) this.#stop();
  }

  end(): void {
    this.#ended = true;
    this.#stop?.();
  }
}
