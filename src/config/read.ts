/** `readConfig` makes a configuration of a text, or says all that is wrong with it; it never throws. */
import { check } from "./check.ts";
import { type Config, configSchema } from "./config.ts";
import { applyEnvironment, type Environment } from "./environment.ts";
import { configError, type Fault, Faults, type Located } from "./fault.ts";
import { checkMeaning } from "./meaning.ts";
import type { GroupSchema } from "./schema.ts";
import { locateInScript } from "./script.ts";
import { complain, parseText } from "./yaml.ts";

/** What was read: a configuration, or the faults for which it was refused, 20 at most of `count`. */
export type ConfigReading =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly faults: readonly Fault[]; readonly count: number };

export interface ReadOptions {
  /** What messages call the text. Default `meridian.yaml`. */
  readonly path?: string | undefined;
  /** Variables that stand above what the file says: `MERIDIAN_CLIENT__TIMEOUT_MS`. Default none. */
  readonly environment?: Environment | undefined;
}

/**
 * Reads a configuration in YAML, or in JSON, which is YAML too.
 *
 * @example
 * const reading = readConfig("client: { timeoutMs: 500 }");
 * if (reading.ok) reading.config.client?.timeoutMs;   // 500
 */
export function readConfig(text: string, options: ReadOptions = {}): ConfigReading {
  const parsed = parseText(text, options.path ?? "meridian.yaml");
  const faults = new Faults(parsed.located);
  complain(parsed, faults);
  if (faults.count > 0) return { ok: false, faults: faults.list, count: faults.count };
  return readValue(parsed.value, faults, options);
}

/**
 * Checks a configuration that a module exported. `source` is the module's text, in which the places of faults are
 * looked for.
 */
export function checkConfig(value: unknown, options: ReadOptions & { readonly source?: string } = {}): ConfigReading {
  const path = options.path ?? "meridian.config.ts";
  const located: Located = options.source === undefined
    ? { source: path, locate: () => undefined }
    : locateInScript(options.source, path);
  return readValue(value, new Faults(located), options);
}

/** The configuration, or an `invalid_argument` whose message has all faults, one a line. */
export function configOf(reading: ConfigReading): Config {
  if (reading.ok) return reading.config;
  throw configError(reading.faults, reading.count);
}

function readValue(value: unknown, faults: Faults, { environment = {} }: ReadOptions): ConfigReading {
  const tree = check(configSchema, value, [], faults);
  if (typeof tree === "object" && tree !== null) {
    applyEnvironment(configSchema as GroupSchema, tree as Record<string, unknown>, environment, faults);
    // What is wrong by itself is not asked whether it fits.
    if (faults.count === 0) checkMeaning(tree, faults);
  }
  if (faults.count > 0) return { ok: false, faults: faults.list, count: faults.count };
  return { ok: true, config: tree as Config };
}
