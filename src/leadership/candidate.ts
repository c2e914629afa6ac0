/**
 * A Candidate is who may lead: an id, the address where the leader is reached, and whatever else others should know.
 */
import { RpcError } from "../core/error.ts";
import { badOption } from "../core/option.ts";
import type { Leader } from "./election.ts";

export interface Candidate {
  /** Unique among the candidates of one name. */
  readonly id: string;
  /** `host:port` where callers reach it as the leader; may be empty. */
  readonly address: string;
  readonly attributes: Readonly<Record<string, string>>;
}

export type CandidateFields = Partial<Candidate> & { readonly id: string };

/** Bounds of names, candidates and records. */
export const electionLimits = { maxNameChars: 200, maxCandidateBytes: 4_096, maxRecordBytes: 65_536 } as const;

const namePattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;

/** Throws `invalid_argument` unless every engine takes `name`. */
export function checkElectionName(name: string): void {
  if (typeof name === "string" && name.length <= electionLimits.maxNameChars && namePattern.test(name)) return;
  throw badOption("the election's name", name, `expected 1 to ${electionLimits.maxNameChars} of letters, digits and ` +
    "_ . -, beginning with a letter, a digit or _");
}

/** Fills in what is absent. Throws `invalid_argument` for a candidate without an id, or too large a one. */
export function candidateOf(fields: CandidateFields): Candidate {
  const { id, address = "", attributes = {} } = fields;
  if (typeof id !== "string" || id === "") throw badOption("the candidate's id", id, "expected a text, not empty");
  const candidate = Object.freeze({ id, address, attributes: Object.freeze({ ...attributes }) });
  const bytes = encodeCandidate(candidate).length;
  if (bytes > electionLimits.maxCandidateBytes) {
    throw badOption("the candidate", `${bytes} bytes`, `expected at most ${electionLimits.maxCandidateBytes}`);
  }
  return candidate;
}

/** The candidate as engines keep it: JSON. */
export function encodeCandidate({ id, address, attributes }: Candidate): string {
  return JSON.stringify({ id, address, attributes });
}

/** Reads what an engine has of the leader; what others wrote there throws `invalid_argument`. */
export function readLeader(text: string, token: bigint): Leader {
  let value: unknown;
  try {
    value = text.length > 2 * electionLimits.maxCandidateBytes ? undefined : JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (typeof value === "object" && value !== null) {
    const { id, address, attributes } = value as Readonly<Record<string, unknown>>;
    if (typeof id === "string" && id !== "" && typeof address === "string" && isTexts(attributes)) {
      return { id, address, attributes, token };
    }
  }
  throw new RpcError("invalid_argument",
    `the seat of the leader holds ${JSON.stringify(text.slice(0, 64))}, which no candidate of ours wrote`);
}

function isTexts(value: unknown): value is Readonly<Record<string, string>> {
  return typeof value === "object" && value !== null && Object.values(value).every((one) => typeof one === "string");
}

export function sameLeader(a: Leader | undefined, b: Leader | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.token === b.token && encodeCandidate(a) === encodeCandidate(b);
}

/** Throws `invalid_argument` for a record that is larger than what engines take. */
export function checkRecord(record: string): string {
  const bytes = new TextEncoder().encode(record).length;
  if (bytes <= electionLimits.maxRecordBytes) return record;
  throw badOption("the record", `${bytes} bytes`, `expected at most ${electionLimits.maxRecordBytes}`);
}
