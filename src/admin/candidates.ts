/**
 * Candidates of a decision, as records show them: who was chosen, who was compared and by what, who was not and why.
 */
import type { Candidate, Context, PickExplanation } from "../core/index.ts";
import type { ClientEndpoint } from "../client/endpoint.ts";
import type { DecisionCandidate } from "./contract.ts";

/** What was thought at one pick. */
export interface Choice {
  readonly context: Context;
  readonly picked: Candidate | undefined;
  readonly route: string;
  readonly rule: string;
  readonly candidates: readonly DecisionCandidate[];
  readonly omitted: number;
  readonly seen: "pick" | "end";
}

/** Of more, only the first so many are looked at, beside those that matter. */
const mostLookedAt = 256;

export interface Looking {
  readonly context: Context;
  readonly picked: Candidate | undefined;
  readonly explanation: PickExplanation;
  readonly maxCandidates: number;
  readonly seen: Choice["seen"];
}

/** Looks at the candidates of a choice, the chosen one first, then by how near they came to it. */
export function choiceOf(all: readonly Candidate[], looking: Looking): Choice {
  const { context, picked, explanation, maxCandidates, seen } = looking;
  const { route = "", rule = "", compared } = explanation;
  let looked = all;
  if (all.length > mostLookedAt) {
    const first = new Set<Candidate>(all.slice(0, mostLookedAt));
    for (const one of compared ?? []) first.add(one);
    if (picked !== undefined) first.add(picked);
    looked = [...first];
  }
  const rows = looked.map((candidate) => ({ candidate, rejected: rejection(candidate, looking) }));
  const rank = ({ candidate, rejected }: typeof rows[number]): number => {
    if (candidate === picked) return 0;
    if (compared?.includes(candidate) === true) return 1;
    return rejected === "" || rejected === notDrawn ? 2 : 3;
  };
  rows.sort((a, b) => rank(a) - rank(b));
  return {
    context, picked, route, rule, seen, omitted: all.length - Math.min(rows.length, maxCandidates),
    candidates: rows.slice(0, maxCandidates).map(({ candidate, rejected }) => {
      const { address, status } = candidate;
      const score = rejected === "" || candidate === picked ? explanation.score?.(candidate) : undefined;
      return {
        endpoint: address.id, region: address.region, zone: address.zone, status,
        ...(score === undefined || !Number.isFinite(score) ? undefined : { score }),
        chosen: candidate === picked, rejected: candidate === picked ? "" : rejected,
      };
    }),
  };
}

const notDrawn = "not among those drawn for comparison";

/** Why a candidate was not even compared; empty if it was, or might have been. */
function rejection(candidate: Candidate, { context, explanation, picked, seen }: Looking): string {
  const { status, address } = candidate;
  if (seen === "end" && candidate === picked) return "";
  if (context.avoid.includes(candidate)) return "an earlier attempt of the call went there";
  if (status !== "ready" && status !== "idle" && status !== "busy") return `${status}: ${whyOf(candidate)}`;
  if (address.weight <= 0) return "its weight is 0";
  const said = explanation.rejects?.(candidate);
  if (said !== undefined) return said;
  const { compared } = explanation;
  if (compared !== undefined && !compared.includes(candidate)) return notDrawn;
  return "";
}

function whyOf(candidate: Candidate): string {
  const { evidence = [], lastChange, connectionFailure } = candidate as Partial<ClientEndpoint>;
  const [first] = evidence;
  if (first !== undefined) return `${first.kind}: ${first.why}`;
  const why = connectionFailure ?? lastChange?.why ?? "";
  return why === "" || why === candidate.status ? "no connection yet" : why;
}
