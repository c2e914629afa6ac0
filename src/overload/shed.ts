/** What a call is told that there was no room for: when to come again, how critical it was, and who is let in. */
import { type Criticality, expected, type RpcError } from "../core/index.ts";
import { criticalityName, userLevels } from "./priority.ts";

/** Metadata of replies and refusals: levels below `rank.user` are let in now. */
export const admissionName = "meridian-admission";

export interface ShedFields {
  readonly criticality: Criticality;
  readonly retryAfterMs: number;
  /** The level let in, as {@link levelText}. */
  readonly level: string | undefined;
}

/** Makes the error of a call for which there was no room: certain not to have started. */
export function shed(message: string, { criticality, retryAfterMs, level }: ShedFields): RpcError {
  const metadata: Record<string, string> = { [criticalityName]: criticality };
  if (level !== undefined) metadata[admissionName] = level;
  return expected("resource_exhausted", message, { neverStarted: true, retryAfterMs, metadata, phase: "queue" });
}

/** A level as metadata has it, `rank.user`: `1.512` lets in all critical calls and those of half of the users. */
export function levelText(level: number): string {
  return `${Math.floor(level / userLevels)}.${level % userLevels}`;
}

/** Reads {@link levelText}; undefined for anything else. */
export function readLevel(text: string | undefined): number | undefined {
  const match = text === undefined ? null : /^([0-3])\.(\d{1,4})$/.exec(text);
  if (match === null) return undefined;
  const within = Number(match[2]);
  return within < userLevels ? Number(match[1]) * userLevels + within : undefined;
}
