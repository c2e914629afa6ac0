/** Followings are the names watched in an engine: one follower a name, shared by all who watch it. */
import type { Watcher } from "../core/discovery.ts";
import { RpcError } from "../core/error.ts";
import type { Runtime } from "../core/runtime.ts";
import { Audience } from "./audience.ts";
import type { Engine } from "./engine.ts";
import { Following, type FollowingSettings } from "./following.ts";

export interface FollowingsSettings extends FollowingSettings {
  readonly maxNames: number;
}

interface Followed {
  readonly audience: Audience;
  readonly following: Following;
}

export class Followings {
  readonly #runtime: Runtime;
  readonly #engine: Engine;
  readonly #settings: FollowingsSettings;
  readonly #byName = new Map<string, Followed>();

  constructor(runtime: Runtime, engine: Engine, settings: FollowingsSettings) {
    this.#runtime = runtime;
    this.#engine = engine;
    this.#settings = settings;
  }

  /** Tells `watcher` at once what is known, and from now on what changes. Throws `resource_exhausted`. */
  watch(name: string, watcher: Watcher): () => void {
    const followed = this.#byName.get(name) ?? this.#follow(name);
    const { audience, following } = followed;
    const seat = audience.add(name, watcher);
    if (following.last !== undefined) seat.tell({ state: "known", endpoints: following.last });
    if (following.failure !== undefined) seat.tell({ state: "failed", error: following.failure });
    return () => {
      seat.leave();
      if (audience.size > 0 || this.#byName.get(name) !== followed) return;
      this.#byName.delete(name);
      following.close();
    };
  }

  #follow(name: string): Followed {
    const { maxNames } = this.#settings;
    if (this.#byName.size >= maxNames) {
      throw new RpcError("resource_exhausted", `${maxNames} names are watched already (maxNames)`,
        { phase: "resolve" });
    }
    const audience = new Audience();
    const following = new Following(this.#runtime, this.#engine, name, this.#settings,
      (answer) => audience.tellName(name, answer));
    const followed = { audience, following };
    this.#byName.set(name, followed);
    following.start();
    return followed;
  }

  close(): void {
    for (const { following } of this.#byName.values()) following.close();
    this.#byName.clear();
  }
}
