/**
 * An Answer is what a message says about one question: the records it asked for, or that there are none, and until
 * when that holds (RFC 1034 section 3.6.2, RFC 2308).
 */
import { expected, type RpcError } from "../../core/error.ts";
import type { Runtime } from "../../core/runtime.ts";
import { type DnsMessage, type DnsRecord, nameError, type Question, type RecordData } from "./message.ts";
import { isWithin } from "./names.ts";

/** How long answers hold, whatever they say, in milliseconds. */
export interface TtlBounds {
  readonly minMs: number;
  readonly maxMs: number;
  /** Of answers that there is nothing. */
  readonly maxNegativeMs: number;
}

export interface Found {
  readonly state: "found";
  readonly records: readonly RecordData[];
  /** Addresses that came along with service records, by `TYPE NAME` of their hosts. */
  readonly hosts: ReadonlyMap<string, Found>;
  /** Clock time at which to ask again: within the last tenth of the time for which the answer holds. */
  readonly refreshAtMs: number;
}

export interface Absent {
  readonly state: "absent";
  /** Whether the name itself does not exist, rather than only records of that type. */
  readonly isNameUnknown: boolean;
  /**
   * Whether who is responsible for the name says so: the answer is authoritative or shows the zone's SOA record. A
   * resolver that has lost its way, or a server of other zones, answers without either.
   */
  readonly isCertain: boolean;
  readonly refreshAtMs: number;
}

export type Answer = Found | Absent;

/** The message leads to another name and knows no more about it. */
export interface Alias {
  readonly state: "alias";
  readonly name: string;
  readonly ttlMs: number;
}

/** Share of the time to live within which, at a random moment, the question is asked again. */
const refreshShare = 0.1;
/** Hosts whose addresses are taken along from one answer. */
const maxHosts = 10_000;

type Sources = Pick<Runtime, "clock" | "random">;

/** Reads the answer to `question`, reached by aliases that hold for `leastTtlMs`. Other names' records are nobody's. */
export function readAnswer(
  message: DnsMessage, question: Question, sources: Sources, bounds: TtlBounds, leastTtlMs = Infinity,
): Answer | Alias {
  const { name, ttlMs } = followAliases(message.answers, question, leastTtlMs);
  const matching = message.answers.filter((record) => record.name === name && isOfType(record.data, question.type));
  if (matching.length > 0) {
    const refreshAtMs = refreshTime(Math.min(ttlMs, leastOf(matching)), bounds.maxMs, sources, bounds);
    const records = matching.map(({ data }) => data);
    return { state: "found", records, hosts: hostsOf(message, records, sources, bounds), refreshAtMs };
  }
  const authority = message.authorities.find(({ name: zone, data }) => data.kind === "SOA" && isWithin(name, zone));
  if (name !== question.name && authority === undefined && message.code !== nameError) {
    return { state: "alias", name, ttlMs };
  }
  const negativeMs = authority?.data.kind === "SOA"
    ? Math.min(authority.ttlSeconds, authority.data.minimumSeconds) * 1_000 : bounds.minMs;
  return {
    state: "absent", isNameUnknown: message.code === nameError,
    isCertain: authority !== undefined || message.isAuthoritative,
    refreshAtMs: refreshTime(Math.min(ttlMs, negativeMs), bounds.maxNegativeMs, sources, bounds),
  };
}

function followAliases(
  answers: readonly DnsRecord[], { name: asked }: Question, leastTtlMs: number,
): { name: string; ttlMs: number } {
  const aliases = new Map<string, DnsRecord>();
  for (const record of answers) if (record.data.kind === "CNAME") aliases.set(record.name, record);
  let name = asked;
  let ttlMs = leastTtlMs;
  const passed = new Set<string>();
  for (let alias = aliases.get(name); alias?.data.kind === "CNAME"; alias = aliases.get(name)) {
    passed.add(name);
    name = alias.data.target;
    ttlMs = Math.min(ttlMs, alias.ttlSeconds * 1_000);
    if (passed.has(name)) throw circle(asked);
  }
  return { name, ttlMs };
}

function circle(name: string): RpcError {
  return expected("unavailable", `${name} is an alias in a circle`, { phase: "resolve" });
}

function isOfType(data: RecordData, type: string): boolean {
  return data.kind === type || (data.kind === "malformed" && data.type === type);
}

function leastOf(records: readonly DnsRecord[]): number {
  return records.reduce((least, { ttlSeconds }) => Math.min(least, ttlSeconds * 1_000), Infinity);
}

function refreshTime(ttlMs: number, maxMs: number, { clock, random }: Sources, bounds: TtlBounds): number {
  const heldMs = Math.max(bounds.minMs, Math.min(maxMs, ttlMs));
  return clock.now() + heldMs * (1 - refreshShare * random.next());
}

/** Addresses of the hosts that the service records name; of others nobody asked. */
function hostsOf(
  { additionals }: DnsMessage, records: readonly RecordData[], sources: Sources, bounds: TtlBounds,
): ReadonlyMap<string, Found> {
  const targets = new Set(records.flatMap((data) => (data.kind === "SRV" ? [data.target] : [])));
  const byQuestion = new Map<string, DnsRecord[]>();
  for (const record of additionals) {
    const { kind } = record.data;
    if ((kind !== "A" && kind !== "AAAA") || !targets.has(record.name) || byQuestion.size >= maxHosts) continue;
    const key = `${kind} ${record.name}`;
    const known = byQuestion.get(key);
    if (known === undefined) byQuestion.set(key, [record]);
    else known.push(record);
  }
  const hosts = new Map<string, Found>();
  for (const [key, found] of byQuestion) {
    const refreshAtMs = refreshTime(leastOf(found), bounds.maxMs, sources, bounds);
    hosts.set(key, { state: "found", records: found.map(({ data }) => data), hosts: new Map(), refreshAtMs });
  }
  return hosts;
}
