/** `recordOf` makes a decision record of what is known of a call when it has ended. */
import {
  type Candidate, type Context, type RpcError, serverTimeTrailer, type TracedAttempt, traceMark, whyMetadata,
} from "../core/index.ts";
import { upstreamTrailer } from "../gateway/times.ts";
import type { Choice } from "./candidates.ts";
import type { Decision, DecisionAttempt } from "./contract.ts";

/** What is known when a call has ended. */
export interface Ended {
  readonly id: string;
  readonly kept: string;
  readonly from: string;
  readonly context: Context;
  readonly latencyMs: number;
  readonly error: RpcError | undefined;
  /** In the order of the attempts, as far as they were looked at. */
  readonly choices: readonly Choice[];
  /** Clock and wall time now. */
  readonly nowMs: number;
  readonly wallMs: number;
}

const maxMessageChars = 500;

export function recordOf(ended: Ended): Decision {
  const { context, latencyMs, error, nowMs, wallMs } = ended;
  const startedMs = context.callStartedMs;
  const durationMs = Math.max(latencyMs, nowMs - startedMs, 0);
  const attempts = attemptsOf(ended, startedMs, durationMs);
  return {
    id: ended.id, traceId: traceMark(context)?.traceId ?? "", atMs: wallMs - durationMs,
    service: context.method.service, method: context.method.name, routeKey: context.routeKey ?? "", from: ended.from,
    durationMs, deadlineMs: context.deadline === Infinity ? 0 : context.deadline - startedMs,
    code: error?.code ?? "ok", message: short(error?.message ?? ""),
    attempts, phases: phasesOf(ended, attempts, startedMs, durationMs), kept: ended.kept,
  };
}

function attemptsOf({ context, error, choices }: Ended, startedMs: number, durationMs: number): DecisionAttempt[] {
  const made = madeAttempts(context, startedMs, durationMs);
  // It came to nothing before anybody was called.
  if (made.length === 0 && error !== undefined) {
    made.push({
      number: context.attempt, hedged: false, startedMs, endedMs: startedMs + durationMs, endpoint: "", region: "",
      error,
    });
  }
  made.sort((a, b) => a.startedMs - b.startedMs || a.number - b.number);
  let before: TracedAttempt | undefined;
  return made.map((one) => {
    const choice = choices.find((each) =>
      each.context.attempt === one.number && each.context.hedged === one.hedged &&
      (each.picked === undefined || one.endpoint === "" || each.picked.address.id === one.endpoint));
    const row: DecisionAttempt = {
      number: one.number, kind: one.hedged ? "hedge" : one.number === 0 ? "first" : "retry",
      because: becauseOf(one, before, startedMs),
      route: choice?.route ?? "", rule: choice?.rule || context.trace?.rule || "",
      candidates: [...choice?.candidates ?? []], candidatesOmitted: choice?.omitted ?? 0,
      seen: choice === undefined || choice.candidates.length === 0 ? "" : choice.seen,
      endpoint: one.endpoint, region: one.region,
      startedMs: one.startedMs - startedMs, endedMs: one.endedMs - startedMs,
      code: one.error === undefined ? "ok" : one.error.code, message: short(one.error?.message ?? ""),
    };
    if (!one.hedged) before = one;
    return row;
  });
}

/** Those that ended, and one that went well at the first go or is still out, of which nobody noted the end. */
function madeAttempts(context: Context, startedMs: number, durationMs: number): TracedAttempt[] {
  const { trace } = context;
  const made: TracedAttempt[] = [...trace?.attempts ?? []];
  const picked = context.picked as Candidate | undefined;
  const hasFirst = made.some(({ hedged, number }) => !hedged && number === 0);
  if (picked !== undefined && !hasFirst) {
    const waitedMs = (trace?.spentMs("resolve") ?? 0) + (trace?.spentMs("connect") ?? 0);
    made.push({
      number: 0, hedged: false, startedMs: Math.min(startedMs + durationMs, startedMs + waitedMs),
      endedMs: startedMs + durationMs, endpoint: picked.address.id, region: picked.address.region, error: undefined,
    });
  }
  for (const choice of (trace?.picks ?? []) as readonly Choice[]) {
    const { attempt, hedged, startedMs: beganMs } = choice.context;
    if (!hedged || choice.picked === undefined) continue;
    if (made.some((one) => one.hedged && one.number === attempt)) continue;
    made.push({
      number: attempt, hedged, startedMs: beganMs, endedMs: startedMs + durationMs,
      endpoint: choice.picked.address.id, region: choice.picked.address.region, error: undefined,
    });
  }
  return made;
}

function becauseOf(one: TracedAttempt, before: TracedAttempt | undefined, startedMs: number): string {
  if (one.hedged) return `no answer ${(one.startedMs - startedMs).toFixed(1)} ms after the call began`;
  if (one.number === 0 || before?.error === undefined) return "";
  return short(`${before.error.code}: ${before.error.message}`);
}

function phasesOf(
  { context, error }: Ended, attempts: readonly DecisionAttempt[], startedMs: number, durationMs: number,
): Decision["phases"] {
  const phases: Decision["phases"] = [];
  const add = (name: string, startMs: number, endMs: number, attempt: number): void => {
    if (endMs - startMs > 0.0005) phases.push({ name, startMs, endMs, attempt });
  };
  for (const { name, startedMs: from, endedMs: to } of context.trace?.phases ?? []) {
    add(name, from - startedMs, to - startedMs, 0);
  }
  const covered = (): number => Math.max(0, ...phases.map(({ endMs }) => endMs));
  attempts.forEach((attempt, index) => {
    const { number, startedMs: from, endedMs: to, endpoint } = attempt;
    if (from > covered()) add(index === 0 ? "pick" : "pause", covered(), from, number);
    if (endpoint === "") return;
    const told = index === attempts.length - 1 ? trailerOf(context, error) : undefined;
    parted(told, from, to).forEach(([name, startMs, endMs]) => add(name, startMs, endMs, number));
  });
  if (durationMs > covered()) add("gateway", covered(), durationMs, attempts.length === 0 ? 0 : attempts.length - 1);
  return phases.sort((a, b) => a.startMs - b.startMs);
}

/** An attempt's time, parted by what the other side said of its own. */
function parted(
  told: Readonly<Record<string, string>> | undefined, from: number, to: number,
): [name: string, startMs: number, endMs: number][] {
  for (const [name, trailer] of [["server", serverTimeTrailer], ["upstream", upstreamTrailer]] as const) {
    const partMs = Number(told?.[trailer]);
    if (!(partMs >= 0)) continue;
    // Two clocks measured: the part is never more than the whole. The way there is taken to be as long as that back.
    const insideMs = Math.min(partMs, to - from);
    const wayMs = (to - from - insideMs) / 2;
    return [["network", from, from + wayMs], [name, from + wayMs, to - wayMs], ["network", to - wayMs, to]];
  }
  return [["network and server", from, to]];
}

function trailerOf(context: Context, error: RpcError | undefined): Readonly<Record<string, string>> | undefined {
  if (context.metadata[whyMetadata] === undefined) return undefined;
  return error?.metadata ?? context.trace?.trailer ?? context.reply?.trailer;
}

/** Of W3C trace context, if the call bears it. */
function short(text: string): string {
  return text.length > maxMessageChars ? `${text.slice(0, maxMessageChars - 1)}…` : text;
}
