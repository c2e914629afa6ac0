/** The admin service of `meridian up`: one for all processes, each of which has one of its own. */
import { type AdminSource, adminSource, mergedAdmin, serveAdmin, type ServedAdmin, type ServeOptions } from
  "../admin/index.ts";
import { type Secret } from "../core/index.ts";
import { defaultTokenPath, tokenFile } from "../runtime/node/index.ts";

/** A process, and where its admin service listens. */
interface Operated {
  readonly key: string;
  readonly admin: string;
}

export interface Operators {
  /** Asks these from now on. */
  follow(processes: readonly Operated[]): void;
  /** Lets operators in; answers where. */
  serve(): Promise<string>;
  close(): Promise<void>;
}

/** Made before the processes are, so that the file of the token is there for all. */
export function createOperators(options: ServeOptions): Operators {
  const { token: given } = options;
  const path = given !== undefined && "file" in given ? given.file : defaultTokenPath();
  const token: Secret = tokenFile(path).token;
  const merged = mergedAdmin([], { name: "up" });
  /** By process and address: who was started anew listens elsewhere. */
  const sources = new Map<string, AdminSource>();
  let served: ServedAdmin | undefined;
  return {
    follow(processes) {
      const wanted = processes.filter(({ admin }) => admin !== "");
      const keys = new Set(wanted.map(({ key, admin }) => `${key} ${admin}`));
      for (const { key, admin } of wanted) {
        const id = `${key} ${admin}`;
        if (!sources.has(id)) sources.set(id, adminSource(key, { address: admin, token }));
      }
      for (const id of [...sources.keys()]) if (!keys.has(id)) sources.delete(id);
      merged.follow([...sources.values()]);
    },
    async serve() {
      served = await serveAdmin(merged, { ...options, token });
      return served.address;
    },
    async close() {
      await served?.close();
      merged.close();
    },
  };
}
