/** The handlers of the admin contract over the state of one process. */
import type { Context } from "../core/index.ts";
import { RpcError } from "../core/index.ts";
import type { Handlers } from "../contract/index.ts";
import type { AdminContract, Snapshot } from "./contract.ts";
import type { AdminState } from "./admin.ts";
import { callHandler, contractRows } from "./calls.ts";
import { changes } from "./changes.ts";
import { endpointRows } from "./endpoint-rows.ts";
import { endpointsByService } from "./watched.ts";

/** Most watchers at once, since each costs a snapshot a second on its wire. */
const maxWatchers = 64;
/** Most records and lines in one answer. */
const [maxDecisions, maxAuditLines, firstHappenings, maxHappenings] = [200, 1_000, 50, 500];

export function handlersOf(state: AdminState): Handlers<typeof AdminContract> {
  const { runtime, options, decisions, audit } = state;
  return {
    describe: (_, context) => ({
      name: state.name, role: state.role, region: options.region ?? "", zone: options.zone ?? "",
      version: options.version ?? "", startedMs: state.startedWallMs, ...mayOperate(context),
      services: [...new Set([
        ...state.watched.flatMap((one) => one.services()), ...(options.contracts ?? []).map(({ name }) => name),
      ])].sort(),
    }),

    watch: watching(state),

    endpoints: (query) => endpointRows({
      byService: endpointsByService(state.watched), query, rates: state.rates, nowMs: runtime.clock.now(),
      wallMs: runtime.clock.wallMs(), seenBy: state.name,
    }),

    decisions: ({ limit = 50, ...filter }) =>
      ({ decisions: [...decisions?.list({ ...filter, limit: Math.min(limit, maxDecisions) }) ?? []] }),

    why({ id }) {
      const found = decisions?.find(id);
      if (found !== undefined) return found;
      throw new RpcError("not_found", decisions === undefined
        ? "this process keeps no decision records"
        : `no record of ${JSON.stringify(id.slice(0, 64))}: it is no longer kept, or was never (calls with the ` +
          "metadata \"meridian-why: 1\" always are)");
    },

    rules: () => ({
      version: BigInt(state.rules.version), rulesJson: JSON.stringify(state.rules.current, undefined, 2),
      shares: [...state.ruleShares()],
    }),

    faults: () => ({
      faults: state.faults.list().map((one) => ({
        id: one.id, service: one.service, method: one.method, region: one.region, percent: one.percent,
        delayMs: one.delayMs, code: one.code ?? "", untilMs: one.untilWallMs, by: one.by,
      })),
      mirrors: state.mirror.list().map((one) => ({
        service: one.service, method: one.method, percent: one.percent, toService: one.toService,
        sent: BigInt(one.sent), failed: BigInt(one.failed), dropped: BigInt(one.dropped),
      })),
    }),

    audit: ({ limit = 100 }) => ({ lines: [...audit.list(Math.min(limit, maxAuditLines))] }),
    contracts: () => ({ methods: contractRows(options.contracts ?? []) }),
    ...changes(state),
    call: callHandler(state),
  };
}

/** The state now and at every so many ticks, each time with what has happened since. */
function watching(state: AdminState): Handlers<typeof AdminContract>["watch"] {
  const { happenings } = state;
  let watchers = 0;
  return async function* ({ intervalMs = 1_000 }, context) {
    if (watchers >= maxWatchers) {
      throw new RpcError("resource_exhausted", `${maxWatchers} watch already; watch one of the others' screens`);
    }
    const ticks = Math.max(1, Math.round(clamped(intervalMs, 250, 60_000) / state.intervalMs));
    watchers++;
    try {
      let last: bigint | undefined;
      while (context.cancelReason === undefined) {
        const news = happenings.since(last, last === undefined ? firstHappenings : maxHappenings);
        last = happenings.last;
        yield { ...state.snapshot(), happenings: [...news] } satisfies Snapshot;
        for (let i = 0; i < ticks; i++) await state.nextTick();
        if (state.isClosed()) return;
      }
    } finally {
      watchers--;
    }
  };
}

/** Who may change things: whoever is known, or calls from within this process, where nobody is asked. */
function mayOperate({ identity }: Context): { mayOperate: boolean; why: string } {
  if (identity?.kind !== "anonymous") return { mayOperate: true, why: "" };
  return {
    mayOperate: false,
    why: "you came without a token: send `authorization: Bearer TOKEN`; the admin service said at its start where " +
      "the token is",
  };
}

function clamped(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
