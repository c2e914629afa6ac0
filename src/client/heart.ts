/**
 * A Heart watches one connection for signs of life: traffic first, pings where there is none.
 *
 * Silence makes the server *suspect* within a few hundred milliseconds: it is not picked, and calls that bear
 * a repeat go elsewhere at once. Only much longer silence makes it *dead*. A suspicion that proves wrong thus
 * costs next to nothing, so it may be raised early.
 */
import { Alarm } from "../core/alarm.ts";
import type { Connection } from "../core/connection.ts";
import { expected, type RpcError } from "../core/error.ts";
import type { Load } from "../core/load.ts";
import type { Clock } from "../core/runtime.ts";
import {
  type Heartbeats, heartbeats, type HeartbeatState, type LoopGuard, type Silence, type Suspicion,
} from "../health/index.ts";

export interface HeartOptions {
  /** While calls are in flight, silence of so long is answered by a ping, in milliseconds. Default 100. */
  readonly heartbeatMs?: number | undefined;
  /** While an answer is overdue, it is pinged so often instead, in milliseconds. Default a quarter of `heartbeatMs`. */
  readonly doubtHeartbeatMs?: number | undefined;
  /** Silence of so long, plus two round trips, makes a server with calls in flight suspect. Default 300. */
  readonly suspectAfterMs?: number | undefined;
  /** So long after that, if nothing came, the connection is ended. Default 3,000. */
  readonly deadAfterMs?: number | undefined;
  /**
   * By what rule silence becomes too long, instead of `suspectAfterMs`: `phiAccrual({ threshold: 8 })` learns it from
   * each connection's answers. Two round trips are added to its limit as well.
   */
  readonly suspicion?: Suspicion | undefined;
  /** A connection without calls is pinged so often. Default 5,000. */
  readonly idleHeartbeatMs?: number | undefined;
}

/** What the heart's owner does about its findings. */
export interface HeartOwner {
  /** Calls that wait for a sign of life before they go out: they are owed one as much as those in flight. */
  readonly waiting: number;
  /** The answer to a ping is overdue, which is less than a suspicion. Once for each silence. */
  doubted?(): void;
  suspected(error: RpcError): void;
  recovered(): void;
  dead(error: RpcError): void;
}

/** A peer that answers no pings, though it answers calls, is not asked for ever. */
const mostFollowed = 8;
/** Between pings of a peer that takes offence at many, in milliseconds. */
const sparingMs = 1_000;
/** The answer to a ping is overdue after one and a half times the way there and back, and this, in milliseconds. */
const overdueMs = 50;
/** An idle connection to such a peer is not pinged at all. */
const neverMs = 2 ** 40;

export class Heart extends Alarm {
  override keepsAlive = false;
  readonly #clock: Clock;
  readonly #guard: LoopGuard;
  readonly #load: Load;
  readonly #owner: HeartOwner;
  readonly #oftenBeats: Heartbeats;
  readonly #sparingBeats: Heartbeats;
  #beats: Heartbeats;
  readonly #heartbeatMs: number;
  readonly #doubtMs: number;
  readonly #deadAfterMs: number;
  #state: HeartbeatState;
  #connection: Connection | undefined = undefined;
  #suspectSinceMs: number | undefined = undefined;
  /** Pings that wait for their own answers, and how often in a row one was followed by another for that alone. */
  #unanswered = 0;
  #followed = 0;
  /** Which ping's overdue answer was told of. */
  #doubtedPingMs = -1;
  /** What this connection's silences are judged by, where a rule was given, and the beginning of the present one. */
  readonly #silence: Silence | undefined;
  #silentFromMs: number | undefined = undefined;

  constructor(clock: Clock, guard: LoopGuard, options: HeartOptions, load: Load, owner: HeartOwner) {
    super();
    this.#clock = clock;
    this.#guard = guard;
    this.#load = load;
    this.#owner = owner;
    this.#silence = options.suspicion?.watch();
    this.#heartbeatMs = options.heartbeatMs ?? 100;
    this.#doubtMs = options.doubtHeartbeatMs ?? this.#heartbeatMs / 4;
    this.#deadAfterMs = options.deadAfterMs ?? 3_000;
    this.#beats = this.#oftenBeats = heartbeats({
      intervalMs: this.#heartbeatMs,
      doubtIntervalMs: this.#doubtMs,
      timeoutMs: options.suspectAfterMs ?? 300,
      idleIntervalMs: options.idleHeartbeatMs ?? 5_000,
    });
    // Servers of gRPC end a connection at the third ping without an answer of a call in between (gRFC A8). The one
    // that is sent has as long for its answer as elsewhere all silence has.
    const sparingBeatMs = Math.max(this.#heartbeatMs, sparingMs);
    this.#sparingBeats = heartbeats({
      intervalMs: sparingBeatMs,
      doubtIntervalMs: sparingBeatMs,
      timeoutMs: sparingBeatMs + (options.suspectAfterMs ?? 300),
      idleIntervalMs: neverMs,
    });
    this.#state = this.#beats.start(0);
  }

  start(connection: Connection): void {
    this.#connection = connection;
    this.#suspectSinceMs = this.#silentFromMs = undefined;
    this.#beats = connection.pingsSparingly ? this.#sparingBeats : this.#oftenBeats;
    this.#state = this.#beats.start(this.#clock.now());
    this.#unanswered = this.#followed = 0;
    // At once, since the distance is what regions are chosen by.
    connection.ping();
    this.#clock.set(this, this.#state.dueAtMs);
  }

  stop(): void {
    this.#connection = undefined;
    this.#clock.clear(this);
  }

  /** Calls begin on a connection that had none: what was not heard while nobody spoke is no evidence. */
  quicken(nowMs: number): void {
    if (this.#suspectSinceMs !== undefined) return;
    this.#beats.busy(this.#state, nowMs, this.#connection?.lastReceivedMs);
    if (this.ringsAtMs > this.#state.dueAtMs) this.#clock.set(this, this.#state.dueAtMs);
  }

  /** How long the server has owed an answer; 0 while it owes none. */
  quietMs(nowMs: number): number {
    if (this.#connection === undefined || this.#state.pingedAtMs === Infinity) return 0;
    return nowMs - Math.max(this.#connection.lastReceivedMs, this.#state.owedSinceMs);
  }

  /** Whether the answer to a ping is overdue. */
  isDoubted(nowMs: number): boolean {
    // While nothing is owed it was sent never, or later than now.
    return this.#connection !== undefined && this.#connection.lastReceivedMs < this.#state.pingedAtMs &&
      nowMs - this.#state.pingedAtMs >= 1.5 * distanceMs(this.#load) + overdueMs;
  }

  /** Asks an idle peer out of turn, unless it owes an answer already or bears no pings; whether it was asked. */
  ask(nowMs: number): boolean {
    const connection = this.#connection;
    if (connection === undefined || connection.pingsSparingly || this.#suspectSinceMs !== undefined ||
      this.#state.pingedAtMs !== Infinity || this.#load.inFlight > 0 || !connection.ping()) return false;
    this.#unanswered++;
    this.#beats.asked(this.#state, nowMs);
    this.#clock.set(this, this.#state.dueAtMs);
    return true;
  }

  /** Joins in a suspicion that fell on its neighbours. */
  suspect(nowMs: number): void {
    if (this.#suspectSinceMs !== undefined || this.#connection === undefined) return;
    this.#suspectSinceMs = nowMs;
    this.#clock.set(this, nowMs + this.#heartbeatMs);
  }

  answered(roundTripMs: number): void {
    const load = this.#load;
    load.pingMs = load.pingMs === 0 ? roundTripMs : load.pingMs + (roundTripMs - load.pingMs) * 0.2;
    this.#unanswered = Math.max(0, this.#unanswered - 1);
    if (this.#unanswered === 0) this.#followed = 0;
    if (roundTripMs < load.leastRoundTripMs) load.leastRoundTripMs = roundTripMs;
    if (this.#silentFromMs !== undefined) {
      this.#silence?.heard(this.#clock.now() - this.#silentFromMs);
      this.#silentFromMs = undefined;
    }
    if (this.#suspectSinceMs === undefined || this.#connection === undefined) return;
    this.#suspectSinceMs = undefined;
    this.#state = this.#beats.start(this.#clock.now());
    this.#clock.set(this, this.#state.dueAtMs);
    this.#owner.recovered();
  }

  ring(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    const nowMs = this.#clock.now();
    const silentMs = nowMs - connection.lastReceivedMs;
    if (this.#suspectSinceMs !== undefined) {
      this.#watchSuspect(connection, nowMs, silentMs);
      return;
    }
    const outstanding = this.#load.inFlight + this.#owner.waiting;
    const stalled = this.#guard.stalledRecently(this.#heartbeatMs);
    const action = this.#beats.check(this.#state, {
      nowMs, lastReceivedMs: connection.lastReceivedMs, outstanding, roundTripMs: distanceMs(this.#load), stalled,
      leastRoundTripMs: this.#load.leastRoundTripMs,
      timeoutMs: connection.pingsSparingly ? undefined : this.#silence?.limitMs(),
    });
    if (this.#silence !== undefined && action === "ping") this.#beginSilence(connection, outstanding, stalled);
    // What was not asked is not owed.
    if (action === "ping" && connection.ping()) this.#unanswered++;
    else if (action === "ping") {
      this.#state = this.#beats.start(nowMs);
      this.#state.dueAtMs = nowMs + sparingMs;
    } else if (action === "nothing") this.#follow(connection, nowMs);
    if (action === "ping" && this.#doubtedPingMs !== this.#state.pingedAtMs && this.isDoubted(nowMs)) {
      this.#doubtedPingMs = this.#state.pingedAtMs;
      this.#owner.doubted?.();
    }
    this.#clock.set(this, Math.min(this.#state.dueAtMs, nowMs + this.#heartbeatMs * 64));
    if (action === "convict") {
      this.suspect(nowMs);
      this.#owner.suspected(silence(silentMs));
    }
  }

  /** What is heard after it is one interval of this connection's; while nothing is owed, or we stalled, it is none. */
  #beginSilence(connection: Connection, outstanding: number, stalled: boolean): void {
    if (stalled || outstanding === 0) this.#silentFromMs = undefined;
    else this.#silentFromMs ??= Math.max(connection.lastReceivedMs, this.#state.owedSinceMs);
  }

  /**
   * Something was heard, but not the answer to what was asked: it may be lost, and TCP notices that soon only by what
   * comes after it. So it is given something to come after it, or the next calls might find the way blocked.
   */
  #follow(connection: Connection, nowMs: number): void {
    if (this.#unanswered === 0 || connection.pingsSparingly) return;
    if (this.#followed >= mostFollowed) {
      // A connection may make one of two pings: then an answer is missed that will never come.
      this.#unanswered = this.#followed = 0;
      return;
    }
    this.#followed++;
    this.#unanswered++;
    connection.ping();
    this.#state.dueAtMs = Math.min(this.#state.dueAtMs, nowMs + this.#doubtMs);
  }

  #watchSuspect(connection: Connection, nowMs: number, silentMs: number): void {
    // A stall of our own starts the time of grace again: what was said meanwhile may be waiting unread.
    if (this.#guard.stalledRecently(this.#heartbeatMs)) this.#suspectSinceMs = nowMs;
    if (nowMs - (this.#suspectSinceMs as number) >= this.#deadAfterMs) {
      this.#owner.dead(silence(silentMs));
      return;
    }
    connection.ping();
    this.#clock.set(this, nowMs + this.#heartbeatMs);
  }
}

/**
 * The round trip as far as it is distance. What was measured over a stall, ours or the peer's, says nothing of that,
 * and a connection busy with calls is not pinged again: one freak would put off the next suspicion by twice itself.
 */
function distanceMs({ pingMs, leastRoundTripMs }: Load): number {
  return Math.min(pingMs, 4 * leastRoundTripMs + 50);
}

function silence(silentMs: number): RpcError {
  return expected("unavailable", `nothing was heard from the server for ${Math.round(silentMs)} ms`,
    { phase: "network", retryable: true });
}
