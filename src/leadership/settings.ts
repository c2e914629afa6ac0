/** Options of a standby, checked and filled in once. */
import type { ClientOptions } from "../client/create-client.ts";
import { badOption, numberOption } from "../core/option.ts";
import type { Observer } from "../core/observer.ts";
import type { Election } from "./election.ts";
import type { ReplicaLimits, StandbyState } from "./replica.ts";

/**
 * When a caller is acknowledged.
 * - `semi-synchronous`: once every backup that may be promoted has the change, and so many at the least (`backups`,
 *   default 1): a promotion loses nothing. With fewer in sync changes are refused, unless `alone` is true: then what is
 *   acknowledged meanwhile is on fewer machines, and if they die nobody is promoted until one of them is back (or
 *   `unclean` gives it up), so that nothing is lost silently.
 * - `asynchronous`: at once. A promotion loses what had not arrived; how much that can be is reported.
 */
export type StandbyMode =
  | { readonly kind: "semi-synchronous"; readonly backups?: number; readonly alone?: boolean }
  | { readonly kind: "asynchronous" };

export interface StandbyOptions {
  /** The name of the election, and of the group: the same for all members. */
  readonly name: string;
  /** Unique among the members at one time, e.g. the host's name. */
  readonly id: string;
  /**
   * Where the others, and callers, reach this member's server: it must serve {@link Standby.implementOn}'s contract.
   */
  readonly address: string;
  readonly election: Election;
  readonly state: StandbyState;
  /** Default semi-synchronous with one backup. */
  readonly mode?: StandbyMode | undefined;
  /** Further attributes of the candidate, for observers. */
  readonly attributes?: Readonly<Record<string, string>> | undefined;
  /** A backup that is silent, or does not get on, for so long is in sync no more, in milliseconds. Default 1,000. */
  readonly dropAfterMs?: number | undefined;
  /** How often a primary without changes gives a sign of life, in milliseconds. Default 100. */
  readonly tickMs?: number | undefined;
  /** Changes kept for backups that come back; beyond, they get a snapshot. Default 10,000, and 64 MiB. */
  readonly maxLogChanges?: number | undefined;
  readonly maxLogBytes?: number | undefined;
  /** Keys that are remembered with their answers, for `keepKeysMs` (default 300,000) at least. Default 1,000,000. */
  readonly maxKeys?: number | undefined;
  readonly keepKeysMs?: number | undefined;
  /** Most changes that wait for backups; more are refused. Default 10,000. */
  readonly maxWaiting?: number | undefined;
  /** Largest snapshot, in bytes. Default 256 MiB. */
  readonly maxSnapshotBytes?: number | undefined;
  /** Whether a member that may lack acknowledged changes may be promoted where no other is left. Default false. */
  readonly unclean?: boolean | undefined;
  /** How backups call the primary: TLS, protocol. */
  readonly client?: Pick<ClientOptions, "tls" | "protocol" | "settings" | "heartbeatMs" | "deadAfterMs"> | undefined;
  /**
   * Hears `standby.promoted`, `standby.recovered` (with the figures), `standby.demoted`, `standby.in-sync`,
   * `standby.snapshot`, `standby.ineligible`, `standby.fenced`, `standby.lost` and `standby.follow.failed`.
   */
  readonly observer?: Observer | undefined;
}

export interface StandbySettings extends ReplicaLimits {
  readonly name: string;
  readonly id: string;
  readonly address: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly isSynchronous: boolean;
  readonly backups: number;
  readonly alone: boolean;
  readonly dropAfterMs: number;
  readonly tickMs: number;
  readonly maxWaiting: number;
  readonly maxSnapshotBytes: number;
  readonly unclean: boolean;
  readonly client: NonNullable<StandbyOptions["client"]>;
  readonly observer: Observer;
}

/** Throws `invalid_argument` naming the option that is wrong. */
export function resolveStandbyOptions(options: StandbyOptions): StandbySettings {
  const { mode = { kind: "semi-synchronous" } } = options;
  if (mode.kind !== "semi-synchronous" && mode.kind !== "asynchronous") {
    throw badOption("mode.kind", (mode as { kind?: unknown }).kind, 'expected "semi-synchronous" or "asynchronous"');
  }
  const isSynchronous = mode.kind === "semi-synchronous";
  if (typeof options.address !== "string" || options.address === "") {
    throw badOption("address", options.address, "expected where the other members reach this one, host:port");
  }
  const whole = (name: string, value: number, least: number, unit?: string): number =>
    numberOption(name, value, { least, whole: true, ...(unit === undefined ? {} : { unit }) });
  const tickMs = whole("tickMs", options.tickMs ?? 100, 1, "milliseconds");
  const dropAfterMs = whole("dropAfterMs", options.dropAfterMs ?? 1_000, 1, "milliseconds");
  if (dropAfterMs < 2 * tickMs) {
    throw badOption("dropAfterMs", dropAfterMs, `expected twice as long as tickMs, ${tickMs}, at the least`);
  }
  return {
    name: options.name, id: options.id, address: options.address, attributes: options.attributes ?? {}, isSynchronous,
    backups: isSynchronous ? whole("mode.backups", mode.backups ?? 1, 1, "backups") : 0,
    alone: isSynchronous ? mode.alone ?? false : true,
    dropAfterMs, tickMs,
    maxLogChanges: whole("maxLogChanges", options.maxLogChanges ?? 10_000, 1, "changes"),
    maxLogBytes: whole("maxLogBytes", options.maxLogBytes ?? 67_108_864, 1, "bytes"),
    maxKeys: whole("maxKeys", options.maxKeys ?? 1_000_000, 1, "keys"),
    keepKeysMs: whole("keepKeysMs", options.keepKeysMs ?? 300_000, 1, "milliseconds"),
    maxWaiting: whole("maxWaiting", options.maxWaiting ?? 10_000, 1, "changes"),
    maxSnapshotBytes: whole("maxSnapshotBytes", options.maxSnapshotBytes ?? 268_435_456, 1, "bytes"),
    unclean: options.unclean ?? false, client: options.client ?? {}, observer: options.observer ?? {},
  };
}
