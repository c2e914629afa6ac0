/** Changes that operators make: each is checked, done, and written down with who, why and what came of it. */
import { badOption, type Code, codeFromNumber, type Context, numberOption, RpcError } from "../core/index.ts";
import type { Handlers } from "../contract/index.ts";
import type { Rule } from "../gateway/index.ts";
import type { AdminState } from "./admin.ts";
import type { AdminContract } from "./contract.ts";

type All = Handlers<typeof AdminContract>;
type Changes = Pick<All,
  "drain" | "undrain" | "setRules" | "split" | "mirror" | "inject" | "clearFault">;

/** Longest text of rules that is read. */
const maxRulesChars = 1_000_000;
const codes: readonly string[] = Array.from({ length: 16 }, (_, index) => codeFromNumber(index + 1));

export function changes(state: AdminState): Changes {
  const { rules, mirror, faults, happenings, runtime } = state;
  const done = auditing(state);
  return {
    drain: (request, context) => done(context, "drain", targetOf(request), request.reason, () =>
      ({ text: drain(state, request, true) })),
    undrain: (request, context) => done(context, "undrain", targetOf(request), request.reason, () =>
      ({ text: drain(state, request, false) })),

    setRules: ({ version, rulesJson, reason }, context) =>
      done(context, "setRules", `version ${version}`, reason, () => {
        requireVersion(rules.version, version);
        const change = rules.set(readRulesText(rulesJson));
        const text = describeChange(change);
        happenings.note("admin.rules", `${text} (${reason || "no reason given"})`);
        return { version: BigInt(rules.version), text };
      }),

    split: (request, context) =>
      done(context, "split", `${request.service}${request.method ? `/${request.method}` : ""}`, request.reason, () => {
        const text = split(state, request);
        happenings.note("admin.split", text, { service: request.service });
        return { text };
      }),

    mirror: (request, context) => done(context, "mirror", request.service, request.reason, () => {
      const { service, method = "", percent, toService, unsafe = false } = request;
      if (percent === 0) {
        const had = mirror.end(service, method);
        return { text: had ? `nothing of ${service} is mirrored any more` : `nothing of ${service} was mirrored` };
      }
      mirror.set({ service, method, percent, toService, unsafe });
      const text = `${percent} % of ${service}${method === "" ? "" : `/${method}`} is copied to ${toService}` +
        (unsafe ? ", writes too" : "");
      happenings.note("admin.mirror", text, { service });
      return { text };
    }),

    inject: (request, context) => done(context, "inject", `${request.service}/${request.method ?? "*"}`, request.reason,
      () => {
        const { service, method, region, percent, delayMs, code, seconds } = request;
        numberOption("seconds", seconds, { least: 0.001, most: 3_600, unit: "seconds" });
        if (code !== undefined && code !== "" && !codes.includes(code)) {
          throw badOption("code", code, `expected one of ${codes.join(", ")}`);
        }
        const fault = faults.add({
          service, method, region, percent, delayMs, forMs: seconds * 1_000, by: whoOf(context),
          code: code === undefined || code === "" ? undefined : code as Code,
        });
        return {
          id: fault.id, service: fault.service, method: fault.method, region: fault.region, percent: fault.percent,
          delayMs: fault.delayMs, code: fault.code ?? "", untilMs: runtime.clock.wallMs() + seconds * 1_000,
          by: fault.by,
        };
      }),

    clearFault: ({ id, reason }, context) => done(context, "clearFault", id ?? "all", reason, () => {
      const ended = faults.clear(id === "" ? undefined : id);
      if (ended.length === 0 && id !== undefined && id !== "") {
        throw new RpcError("not_found", `no fault "${id.slice(0, 64)}" is in force`);
      }
      return { text: `${ended.length} ${ended.length === 1 ? "fault" : "faults"} ended` };
    }),
  };
}

/** Runs a change, and writes down how it went. */
export function auditing({ audit }: Pick<AdminState, "audit">) {
  return <T>(context: Context, action: string, target: string, reason: string, change: () => T): T => {
    const entry = { who: whoOf(context), from: context.peer?.address ?? "", action, target, reason, allowed: true };
    try {
      const result = change();
      const text = typeof result === "object" && result !== null && "text" in result ? String(result.text) : "done";
      audit.add({ ...entry, outcome: text });
      return result;
    } catch (error) {
      audit.add({ ...entry, outcome: `failed: ${RpcError.from(error).message}` });
      throw error;
    }
  };
}

export function whoOf({ identity }: Context): string {
  if (identity === undefined) return "this process";
  return identity.name === "" ? identity.kind : `${identity.kind}:${identity.name}`;
}

interface DrainRequest {
  readonly region?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly reason: string;
}

function targetOf({ region, endpoint }: DrainRequest): string {
  return region ? `region ${region}` : `endpoint ${endpoint ?? ""}`;
}

function drain(state: AdminState, { region = "", endpoint = "", reason }: DrainRequest, isDrained: boolean): string {
  const { control, drainReasons, drainedEndpoints, watched, happenings } = state;
  if ((region === "") === (endpoint === "")) {
    throw new RpcError("invalid_argument", "name either a region or an endpoint (its id)");
  }
  const why = reason === "" ? "no reason given" : reason;
  if (region !== "") {
    requireRegion(state, region);
    const was = control.isDrained(region);
    if (isDrained) {
      control.drain(region);
      drainReasons.set(region, why);
    } else {
      control.undrain(region);
      drainReasons.delete(region);
    }
    if (was !== isDrained) {
      happenings.note(isDrained ? "admin.drained" : "admin.undrained",
        `region ${region} is ${isDrained ? "drained" : "let back"}: ${why}`, { severity: "warning", region });
    }
    return isDrained
      ? `region ${region} gets no new calls; those in flight end`
      : `region ${region} gets calls again, its share grows slowly`;
  }
  const isKnown = watched.map((one) => one.drain(endpoint, isDrained)).some((known) => known);
  if (!isKnown && !drainedEndpoints.has(endpoint)) {
    throw new RpcError("not_found", `no endpoint has the id ${JSON.stringify(endpoint.slice(0, 128))}: see ` +
      "`endpoints`");
  }
  if (!isDrained) drainedEndpoints.delete(endpoint);
  else if (drainedEndpoints.size < 10_000) drainedEndpoints.add(endpoint);
  happenings.note(isDrained ? "admin.drained" : "admin.undrained",
    `endpoint ${endpoint} is ${isDrained ? "drained" : "let back"}: ${why}`, { severity: "warning", endpoint });
  return isDrained ? `endpoint ${endpoint} gets no new calls; those in flight end` : `endpoint ${endpoint} is let back`;
}

/** A region that nobody knows is a slip of the pen, which would be found out at the worst time. */
function requireRegion(state: AdminState, region: string): void {
  const known = new Set(state.control.drained());
  for (const one of state.watched) {
    for (const service of one.services()) for (const { address } of one.endpoints(service)) known.add(address.region);
  }
  if (state.options.region !== undefined) known.add(state.options.region);
  // Before anybody has called there is nothing to check against.
  if (known.has(region) || known.size < 2) return;
  throw new RpcError("not_found", `no region is called ${JSON.stringify(region.slice(0, 128))}: there are ` +
    [...known].filter((one) => one !== "").sort().join(", "));
}

function requireVersion(current: number, asked: bigint): void {
  if (BigInt(current) === asked) return;
  throw new RpcError("aborted", `the rules are at version ${current}, not ${asked}: somebody has changed them ` +
    "meanwhile. Read them again");
}

function readRulesText(text: string): readonly Rule[] {
  if (text.length > maxRulesChars) {
    throw new RpcError("invalid_argument",
      `rulesJson has ${text.length} characters; at most ${maxRulesChars} are read`);
  }
  try {
    return JSON.parse(text) as readonly Rule[];
  } catch (error) {
    throw new RpcError("invalid_argument", `rulesJson is no JSON: ${error instanceof Error ? error.message : "?"}`);
  }
}

function describeChange(
  { added, removed, changed }: { added: readonly string[]; removed: readonly string[]; changed: readonly string[] },
): string {
  const parts = [["added", added], ["removed", removed], ["changed", changed]] as const;
  const said = parts.filter(([, names]) => names.length > 0).map(([what, names]) => `${what} ${names.join(", ")}`);
  return said.length === 0 ? "the rules are as they were" : `rules: ${said.join("; ")}`;
}

type SplitRequest = Parameters<All["split"]>[0];

/** The rule of a split is named after what it splits, so that another takes its place. */
function split({ rules }: AdminState, request: SplitRequest): string {
  const { service, method = "", percent, header = "", headerValue = "", routeKey = "", toService = "" } = request;
  const { attributes = {}, regions = [] } = request;
  const what = `${service}${method === "" ? "" : `/${method}`}`;
  const name = `split:${what}`;
  numberOption("percent", percent, { least: 0, most: 100 });
  if (service === "") throw badOption("service", service, "say whose calls are split");
  const others = rules.current.filter((rule) => rule.name !== name);
  if (percent === 0) {
    if (others.length === rules.current.length) return `${what} was not split`;
    rules.set(others);
    return `${what} is split no more`;
  }
  const hasAttributes = Object.keys(attributes).length > 0;
  if (!hasAttributes && toService === "" && regions.length === 0) {
    throw new RpcError("invalid_argument", "say where to: attributes (version=2), toService, or regions");
  }
  const rule: Rule = {
    name,
    match: {
      service, ...(method === "" ? undefined : { method }),
      ...(header === "" ? undefined : { metadata: { [header.toLowerCase()]: headerValue === "" ? "*" : headerValue } }),
      ...(routeKey === "" ? undefined : { routeKey }),
      ...(percent === 100 ? undefined : { hashPercent: percent }),
    },
    to: {
      ...(hasAttributes ? { attributes } : undefined), ...(regions.length > 0 ? { regions } : undefined),
      ...(toService === "" ? undefined : { service: toService }),
      // Where nobody is there to take them, calls go where they went before.
      fallback: true,
    },
  };
  rules.set([rule, ...others]);
  const only = (header === "" ? "" : ` with ${header}`) +
    (routeKey === "" ? "" : ` with the route key ${routeKey}`);
  const to = [toService, ...regions, ...Object.entries(attributes).map(([key, value]) => `${key}=${value}`)]
    .filter((one) => one !== "");
  return `${percent} % of ${what}${only} goes to ${to.join(", ")}`;
}
