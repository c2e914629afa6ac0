/**
 * `rulesFromFile` keeps rules as a file says, while calls are in flight. A file that is wrong is refused with its
 * line and column, and the last good rules stay in force.
 */
import { type FileSource, type Observer, RpcError } from "../core/index.ts";
import { readDocument } from "../discovery/file-format.ts";
import { readRules } from "./read-rules.ts";
import type { Rules } from "./rules.ts";

/** Largest file of rules that is read. */
const maxFileBytes = 4_194_304;

export interface RulesFile {
  /** Settles with the first reading: rejects if the file is wrong, with the error that `rules.refused` tells. */
  readonly loaded: Promise<void>;
  /** Stops watching; the rules stay as they are. */
  close(): void;
}

/**
 * Watches a file of YAML or JSON with one key, `rules`. The observer hears `rules.reloaded` with the names of the
 * rules `added`, `removed` and `changed`, and `rules.refused` with `path:line:column` and the reason.
 *
 * @example
 * const rules = createRules();
 * await rulesFromFile(createFileSource("rules.yaml"), rules, observer).loaded;
 */
export function rulesFromFile(source: FileSource, rules: Rules, observer: Observer = {}): RulesFile {
  let reading: "no" | "yes" | "again" = "no";
  let closed = false;
  const load = async (): Promise<void> => {
    if (reading !== "no") {
      reading = "again";
      return;
    }
    try {
      // A reading overtaken by a change is out of date.
      let text: string;
      do {
        reading = "yes";
        text = await source.read(maxFileBytes);
      } while (isAgain());
      if (!closed) apply(text);
    } catch (error) {
      const refusal = RpcError.from(error, "unavailable");
      observer.event?.("rules.refused", { path: source.path, error: refusal.message, version: rules.version });
      throw refusal;
    } finally {
      const missed = isAgain();
      reading = "no";
      if (missed && !closed) void load().catch(() => undefined);
    }
  };
  const isAgain = (): boolean => reading === "again";
  const apply = (text: string): void => {
    const read = readDocument({
      text, path: source.path, key: "rules", expected: "a list below it", empty: "no rules are written `rules: []`",
    }, (value, refuse) => readRules(value, ["rules"], refuse));
    const change = rules.set(read);
    observer.event?.("rules.reloaded", { path: source.path, version: rules.version, rules: read.length, ...change });
  };

  // Watched before it is read, so that no change falls between.
  const stop = source.watch(() => void load().catch(() => undefined));
  const loaded = load();
  loaded.catch(() => undefined);
  return {
    loaded,
    close() {
      closed = true;
      stop();
    },
  };
}
