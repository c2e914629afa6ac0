/** Where configurations come from: a file of YAML or JSON that is watched. */
import type { FileSource } from "../core/file-source.ts";
import type { Environment } from "./environment.ts";
import type { ConfigSource } from "./live.ts";
import { checkConfig, readConfig } from "./read.ts";
import { maxConfigBytes } from "./yaml.ts";

/** A file of YAML or JSON. */
export function fileConfigSource(file: FileSource, environment: Environment = {}): ConfigSource {
  return {
    path: file.path,
    read: async () => readConfig(await file.read(maxConfigBytes), { path: file.path, environment }),
    watch: (changed) => file.watch(changed),
  };
}

/** A module whose default export is a configuration; `load` imports it anew. */
export function moduleConfigSource(
  file: FileSource, load: () => Promise<Readonly<Record<string, unknown>>>, environment: Environment = {},
): ConfigSource {
  return {
    path: file.path,
    async read() {
      const source = await file.read(maxConfigBytes);
      return checkConfig((await load())["default"], { path: file.path, source, environment });
    },
    watch: (changed) => file.watch(changed),
  };
}

/** A configuration that a program has made itself; it never changes. */
export function givenConfigSource(config: unknown, environment: Environment = {}): ConfigSource {
  return { path: "the configuration", read: () => Promise.resolve(checkConfig(config, { environment })) };
}
