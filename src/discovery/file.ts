/**
 * `fileDiscovery` tells the endpoints that a YAML or JSON file lists, and tells them anew when it changes.
 *
 * A file that is missing, empty or wrong is refused with its line and column, and the last good one stays in
 * force. So does a service that is no longer mentioned: only `name: []` says that nobody serves it.
 */
import type { Discovery } from "../core/discovery.ts";
import { RpcError } from "../core/error.ts";
import type { FileSource } from "../core/file-source.ts";
import { type Answer, Audience } from "./audience.ts";
import { parseServices } from "./file-format.ts";
import type { Services } from "./services.ts";
import { unknownName } from "./static.ts";

export interface FileDiscoveryOptions {
  /** Largest file that is read. Default 16 MiB. */
  readonly maxFileBytes?: number;
  /** Most endpoints of all services together. Default 100,000. */
  readonly maxEndpoints?: number;
}

/**
 * Watches the file while anybody watches a name.
 *
 * @example
 * fileDiscovery(createFileSource("services.yaml"))
 */
export function fileDiscovery(source: FileSource, options: FileDiscoveryOptions = {}): Discovery {
  const file = new WatchedFile(source, options.maxFileBytes ?? 16_777_216, options.maxEndpoints ?? 100_000);
  return { deliberate: true, watch: (name, watcher) => file.watch(name, watcher) };
}

class WatchedFile {
  readonly #source: FileSource;
  readonly #maxFileBytes: number;
  readonly #maxEndpoints: number;
  readonly #audience = new Audience();
  /** Of the last good file; it outlives its watchers. */
  #services: Services | undefined = undefined;
  /** What is wrong with the file as it is now. */
  #failure: RpcError | undefined = undefined;
  #stopWatching: (() => void) | undefined = undefined;
  #reading: "no" | "yes" | "again" = "no";

  constructor(source: FileSource, maxFileBytes: number, maxEndpoints: number) {
    this.#source = source;
    this.#maxFileBytes = maxFileBytes;
    this.#maxEndpoints = maxEndpoints;
  }

  watch(name: string, watcher: Parameters<Discovery["watch"]>[1]): () => void {
    const { tell, leave } = this.#audience.add(name, watcher);
    if (this.#stopWatching === undefined) {
      // Watched before it is read, so that no change falls between.
      this.#stopWatching = this.#source.watch(() => this.#load());
      this.#load();
    }
    this.#answer(name, tell);
    return () => {
      leave();
      if (this.#audience.size > 0) return;
      this.#stopWatching?.();
      this.#stopWatching = undefined;
    };
  }

  /** The last good file and what is wrong with the present one are both worth saying. */
  #answer(name: string, tell: (answer: Answer) => void): void {
    const endpoints = this.#services?.get(name);
    if (endpoints !== undefined) tell({ state: "known", endpoints });
    if (this.#failure !== undefined) {
      tell({ state: "failed", error: this.#failure });
    } else if (this.#services !== undefined && endpoints === undefined) {
      tell({ state: "failed", error: unknownName(name, this.#services, this.#source.path) });
    }
  }

  /** One read at a time; a change while reading means to read again. */
  #load(): void {
    if (this.#reading !== "no") {
      this.#reading = "again";
      return;
    }
    this.#reading = "yes";
    this.#source.read(this.#maxFileBytes).then((text) => this.#read(text), (error: unknown) => this.#failed(error));
  }

  #read(text: string): void {
    try {
      this.#services = parseServices(text, this.#source.path, this.#maxEndpoints);
      this.#failure = undefined;
    } catch (error) {
      this.#failed(error);
      return;
    }
    this.#loaded();
  }

  #failed(error: unknown): void {
    this.#failure = RpcError.from(error, "unavailable");
    this.#loaded();
  }

  #loaded(): void {
    const again = this.#reading === "again";
    this.#reading = "no";
    // A read overtaken by a change is out of date: what follows will tell.
    if (again && this.#stopWatching !== undefined) {
      this.#load();
      return;
    }
    const failure = this.#failure;
    this.#audience.tellAll((name) => {
      if (failure !== undefined) return { state: "failed", error: failure };
      const services = this.#services as Services;
      const endpoints = services.get(name);
      if (endpoints !== undefined) return { state: "known", endpoints };
      return { state: "failed", error: unknownName(name, services, this.#source.path) };
    });
  }
}
