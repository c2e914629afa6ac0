/**
 * The contract of the admin service: what an operator may see of a process, a gateway or a whole set-up, and change.
 *
 * `meridian top`, `meridian why` and any page know the framework by this contract alone. A gateway tells of the
 * calls that pass it; `meridian up` merges what its gateways tell, under the same contract.
 */
import * as z from "zod";
import { rpc, service } from "../contract/index.ts";

/**
 * Latency in milliseconds, over the last interval. All 0 when no call ended in it. Where several processes are merged,
 * p50 and p90 are means by calls, and p99 the worst of them.
 */
const latency = z.object({ p50Ms: z.number(), p90Ms: z.number(), p99Ms: z.number(), maxMs: z.number() })
  .meta({ id: "Latency" });

/** The four figures, over the last interval: load, faults, time, and the share of errors. */
const figures = z.object({
  callsPerSecond: z.number(),
  /** Of them, failed with an error that is the server's or the way's fault. */
  errorsPerSecond: z.number(),
  /** Attempts over calls: 1 when nothing was repeated. */
  attemptsPerCall: z.number(),
  /** Attempts that are out; 0 where nobody counts them by what the figures are of. */
  inFlight: z.uint32(),
  latency,
}).meta({ id: "Figures" });

const region = z.object({
  name: z.string(),
  /** Degrees, when they are known: a page draws a map if all regions have them, a ring otherwise. */
  latitude: z.number().optional(),
  longitude: z.number().optional(),
  /** Of the endpoints whose place it is: how many there are, and how many may be called. */
  endpoints: z.uint32(),
  ready: z.uint32(),
  /** Share of its endpoints' weight that is fit to be called, 0 to 1. */
  health: z.number(),
  drained: z.boolean(),
  drainReason: z.string(),
  /** Means over the endpoints that report their load, 0 to 1; negative when none does. */
  cpu: z.number(),
  memory: z.number(),
  /** Calls that its endpoints answered. */
  figures,
}).meta({ id: "Region" });

/** Calls from one place to another, over the last interval. */
const flow = z.object({ from: z.string(), to: z.string(), figures }).meta({ id: "Flow" });

const serviceFigures = z.object({
  service: z.string(),
  endpoints: z.uint32(),
  ready: z.uint32(),
  /** Of them, those in the region of the process that tells. A gateway sees of other regions their gateways. */
  endpointsHere: z.uint32(),
  readyHere: z.uint32(),
  /** Of each method that was called in the last minute, up to 200. */
  methods: z.array(z.object({ method: z.string(), figures })),
  figures,
  /**
   * What is left of the retry budget, 0 to 1: 0 when it was found empty in this interval, else less the share that was
   * used of a fifth of the calls; 1 when nothing was repeated.
   */
  retryBudget: z.number(),
}).meta({ id: "ServiceFigures" });

/** Something that happened: an observer's event, or a change of an endpoint. */
const happening = z.object({
  /** Grows by one with each; a gap says how many are no longer kept. */
  sequence: z.uint64(),
  atMs: z.number(),
  /** Dotted and stable: `endpoint.changed`, `region.share`, `admin.drained`. */
  name: z.string(),
  /** For people: one line that says what happened and why. */
  text: z.string(),
  severity: z.enum(["info", "warning", "error"]),
  region: z.string(),
  service: z.string(),
  endpoint: z.string(),
}).meta({ id: "Happening" });

/** The state of a process, complete at each tick: who lost one has lost nothing. */
const snapshot = z.object({
  /** Wall-clock milliseconds. */
  atMs: z.number(),
  /** What the figures are over: the last whole second or so, however often it is told. */
  intervalMs: z.number(),
  regions: z.array(region),
  flows: z.array(flow),
  services: z.array(serviceFigures),
  /**
   * Calls that came from another gateway, which counts them as its own: they are in none of the figures above, so that
   * figures of several processes add up.
   */
  relayed: figures,
  /** New ones since the snapshot before; of the first, the last 50. */
  happenings: z.array(happening),
  /** Processes that should tell of themselves and do not, with the reason. */
  missing: z.array(z.object({ name: z.string(), why: z.string() })),
}).meta({ id: "Snapshot" });

export type Snapshot = z.infer<typeof snapshot>;
export type Figures = z.infer<typeof figures>;
export type RegionRow = z.infer<typeof region>;
export type ServiceRow = z.infer<typeof serviceFigures>;
export type Happening = z.infer<typeof happening>;

/** What an endpoint does now, as who calls it sees it. */
const endpointFigures = z.object({
  callsPerSecond: z.number(),
  errorsPerSecond: z.number(),
  inFlight: z.uint32(),
  /** Estimated median and moving average of its attempts' time; 0 before the first. */
  medianMs: z.number(),
  averageMs: z.number(),
}).meta({ id: "EndpointFigures" });

const endpointRow = z.object({
  service: z.string(),
  id: z.string(),
  address: z.string(),
  region: z.string(),
  zone: z.string(),
  weight: z.number(),
  /** Its share now, 0 to 1, while it warms up or comes back; 1 otherwise. */
  ramp: z.number(),
  role: z.enum(["active", "backup"]),
  priority: z.int32(),
  /** As of EndpointStatus. */
  status: z.string(),
  /** Why it is so, and since when. */
  why: z.string(),
  evidence: z.array(z.string()),
  sinceMs: z.number(),
  /** Round trip of heartbeats in milliseconds; 0 before the first. */
  pingMs: z.number(),
  /** Negative when it does not report. */
  cpu: z.number(),
  memory: z.number(),
  loopLagMs: z.number(),
  attributes: z.record(z.string(), z.string()),
  figures: endpointFigures,
  /** Who says so, where several processes see the same endpoint. */
  seenBy: z.string(),
}).meta({ id: "EndpointRow" });

export type EndpointRow = z.infer<typeof endpointRow>;

/** One candidate of a decision and what became of it. */
const candidate = z.object({
  endpoint: z.string(), region: z.string(), zone: z.string(), status: z.string(),
  /** What the picker compared; less is better. Absent where it compares nothing. */
  score: z.number().optional(),
  chosen: z.boolean(),
  /** Why it was not even compared; empty for those that were. */
  rejected: z.string(),
}).meta({ id: "DecisionCandidate" });

/** One attempt: where it went, why, and where its time went. Times are milliseconds since the call began. */
const attempt = z.object({
  number: z.uint32(),
  /** `first`, `retry`, `hedge`. */
  kind: z.string(),
  /** Why it was made: the error before it, the delay of the hedge. */
  because: z.string(),
  /** Region tiers in the order they were asked, with their shares, and the rule that decided if one did. */
  route: z.string(),
  rule: z.string(),
  candidates: z.array(candidate),
  /**
   * When they were looked at: `pick`, as the choice was made; `end`, when the attempt had ended and it turned out to be
   * worth a record (then statuses and scores may have changed since); empty without candidates.
   */
  seen: z.string(),
  /** Those left out of the list, beyond its bound. */
  candidatesOmitted: z.uint32(),
  endpoint: z.string(),
  region: z.string(),
  startedMs: z.number(),
  endedMs: z.number(),
  code: z.string(),
  message: z.string(),
}).meta({ id: "DecisionAttempt" });

/**
 * The phases of a call's time, for its waterfall: name, begin and end in milliseconds since the call began. Names:
 * `resolve`, `connect`, `pick`, `pause` (between attempts), `fault` (injected), `gateway` (this process's own part);
 * of an attempt `network`, `server` where the server told its part, `upstream` (a gateway's whole part) where that did,
 * else `network and server`.
 */
const phase = z.object({ name: z.string(), startMs: z.number(), endMs: z.number(), attempt: z.uint32() })
  .meta({ id: "Phase" });

/** Why a call went where it went. Bounded and sampled: failed, slow, repeated and asked-for calls are preferred. */
const decision = z.object({
  /** What replies, errors and traces name it by. */
  id: z.string(),
  /** W3C trace id, when the call had one. */
  traceId: z.string(),
  atMs: z.number(),
  service: z.string(),
  method: z.string(),
  routeKey: z.string(),
  from: z.string(),
  durationMs: z.number(),
  deadlineMs: z.number(),
  code: z.string(),
  message: z.string(),
  attempts: z.array(attempt),
  phases: z.array(phase),
  /** Why this call is kept: `failed`, `slow`, `repeated`, `asked`, `sample`. */
  kept: z.string(),
}).meta({ id: "Decision" });

export type Decision = z.infer<typeof decision>;
export type DecisionAttempt = z.infer<typeof attempt>;
export type DecisionCandidate = z.infer<typeof candidate>;

const fault = z.object({
  id: z.string(),
  /** Patterns as of rules: exact, or ending in `*`. */
  service: z.string(), method: z.string(), region: z.string(),
  percent: z.number(),
  delayMs: z.number(),
  /** Fails with this code; empty only delays. */
  code: z.string(),
  untilMs: z.number(),
  by: z.string(),
}).meta({ id: "Fault" });

export type FaultRow = z.infer<typeof fault>;

/** What every change says of itself: the reason stands in the audit. */
const because = { reason: z.string() };
const done = z.object({ /** What changed, for people. */ text: z.string() });

/** One line of the audit: who changed what, or tried to, and why. */
const auditLine = z.object({
  sequence: z.uint64(), atMs: z.number(), who: z.string(), from: z.string(), action: z.string(), target: z.string(),
  reason: z.string(), allowed: z.boolean(), outcome: z.string(),
}).meta({ id: "AuditLine" });

export type AuditLine = z.infer<typeof auditLine>;

/** Reads need no token on loopback; changes and calls always need the right `operate`. */
export const AdminContract = service("meridian.admin.v1.Admin", {
  describe: rpc({
    description: "What this process is, and what the caller may do.",
    input: z.object({}),
    output: z.object({
      name: z.string(), role: z.string(), region: z.string(), zone: z.string(), version: z.string(),
      startedMs: z.number(), mayOperate: z.boolean(),
      /** Why not, if not, and what to do about it. */
      why: z.string(),
      services: z.array(z.string()),
    }),
    idempotent: true, safe: true, timeoutMs: 3_000,
  }),
  watch: rpc({
    description: "The complete state, now and every intervalMs (1,000 to 60,000, in whole seconds; default 1,000).",
    kind: "server_stream",
    input: z.object({ intervalMs: z.uint32().optional() }),
    output: snapshot,
    idempotent: true, safe: true,
  }),
  endpoints: rpc({
    description: "Endpoints with the reason for the state of each, up to `limit` (default 1,000) from `offset` on.",
    input: z.object({
      service: z.string().optional(), region: z.string().optional(), status: z.string().optional(),
      /** Part of id, address or attributes. */
      search: z.string().optional(), offset: z.uint32().optional(), limit: z.uint32().optional(),
    }),
    output: z.object({ total: z.uint32(), endpoints: z.array(endpointRow) }),
    idempotent: true, safe: true, timeoutMs: 3_000,
  }),
  decisions: rpc({
    description: "Decision records that are kept, newest first, up to `limit` (default 50).",
    input: z.object({
      service: z.string().optional(), method: z.string().optional(), region: z.string().optional(),
      code: z.string().optional(), kept: z.string().optional(), limit: z.uint32().optional(),
    }),
    output: z.object({ decisions: z.array(decision) }),
    idempotent: true, safe: true, timeoutMs: 3_000,
  }),
  why: rpc({
    description: "The decision record of this id, or of this trace id. `not_found` once it is no longer kept.",
    input: z.object({ id: z.string() }),
    output: decision,
    idempotent: true, safe: true, timeoutMs: 3_000,
  }),
  drain: rpc({
    description: "Takes a region, or an endpoint of it by its id, out of service; calls in flight end.",
    input: z.object({ region: z.string().optional(), endpoint: z.string().optional(), ...because }),
    output: done, idempotent: true, timeoutMs: 5_000,
  }),
  undrain: rpc({
    description: "Lets it back; its share grows slowly.",
    input: z.object({ region: z.string().optional(), endpoint: z.string().optional(), ...because }),
    output: done, idempotent: true, timeoutMs: 5_000,
  }),
  rules: rpc({
    description: "The rules in force as JSON (docs/gateway.md), their version, and the share of calls of each.",
    input: z.object({}),
    output: z.object({
      version: z.uint64(), rulesJson: z.string(),
      shares: z.array(z.object({ rule: z.string(), callsPerSecond: z.number() })),
    }),
    idempotent: true, safe: true, timeoutMs: 3_000,
  }),
  setRules: rpc({
    description: "Puts a set of rules in force as a whole. `aborted` unless `version` is the one in force.",
    input: z.object({ version: z.uint64(), rulesJson: z.string(), ...because }),
    output: z.object({ version: z.uint64(), text: z.string() }),
    idempotent: true, timeoutMs: 5_000,
  }),
  split: rpc({
    description: "Sends a share of a service's calls elsewhere: a canary by weight, header or argument.",
    input: z.object({
      service: z.string(), method: z.string().optional(),
      /** 0 to 100; 0 ends the split. */
      percent: z.number(),
      /** Only calls with this metadata, or this route key. */
      header: z.string().optional(), headerValue: z.string().optional(), routeKey: z.string().optional(),
      /** Where to: endpoints with these attributes, or of another registered name, or of regions. */
      attributes: z.record(z.string(), z.string()).optional(), toService: z.string().optional(),
      regions: z.array(z.string()).optional(),
      ...because,
    }),
    output: done, idempotent: true, timeoutMs: 5_000,
  }),
  mirror: rpc({
    description: "Sends copies of a share of the calls elsewhere and disregards their answers; 0 ends it. Only of " +
      "methods that are safe, unless `unsafe` says that the receiver may see writes.",
    input: z.object({
      service: z.string(), method: z.string().optional(), percent: z.number(), toService: z.string(),
      unsafe: z.boolean().optional(), ...because,
    }),
    output: done, idempotent: true, timeoutMs: 5_000,
  }),
  inject: rpc({
    description: "Delays or fails a share of the calls for a while (at most an hour), to rehearse a fault.",
    input: z.object({
      service: z.string(), method: z.string().optional(), region: z.string().optional(), percent: z.number(),
      delayMs: z.number().optional(), code: z.string().optional(), seconds: z.number(), ...because,
    }),
    output: fault, idempotent: true, timeoutMs: 5_000,
  }),
  faults: rpc({
    description: "The faults that are injected now, and the mirrors.",
    input: z.object({}),
    output: z.object({
      faults: z.array(fault),
      mirrors: z.array(z.object({
        service: z.string(), method: z.string(), percent: z.number(), toService: z.string(), sent: z.uint64(),
        failed: z.uint64(), dropped: z.uint64(),
      })),
    }),
    idempotent: true, safe: true, timeoutMs: 3_000,
  }),
  clearFault: rpc({
    description: "Ends an injected fault; without an id, all of them.",
    input: z.object({ id: z.string().optional(), ...because }),
    output: done, idempotent: true, timeoutMs: 5_000,
  }),
  audit: rpc({
    description: "Who changed what, newest first, up to `limit` (default 100).",
    input: z.object({ limit: z.uint32().optional() }),
    output: z.object({ lines: z.array(auditLine) }),
    idempotent: true, safe: true, timeoutMs: 3_000,
  }),
  contracts: rpc({
    description: "The methods that may be called from here, with JSON Schemas of their requests, for forms.",
    input: z.object({}),
    output: z.object({
      methods: z.array(z.object({
        service: z.string(), method: z.string(), kind: z.string(), idempotent: z.string(), description: z.string(),
        inputSchemaJson: z.string(), outputSchemaJson: z.string(),
      })),
    }),
    idempotent: true, safe: true, timeoutMs: 3_000,
  }),
  call: rpc({
    description: "Makes a call by its contract with a request in JSON, and tells how it went. Its replies come one " +
      "by one; the last item says how it ended and has its decision record.",
    kind: "server_stream",
    input: z.object({
      service: z.string(), method: z.string(), requestJson: z.string(),
      metadata: z.record(z.string(), z.string()).optional(), timeoutMs: z.number().optional(),
    }),
    output: z.object({
      replyJson: z.string().optional(), code: z.string().optional(), message: z.string().optional(),
      metadata: z.record(z.string(), z.string()).optional(), decision: decision.optional(),
    }),
  }),
});
