/**
 * An arbiter is a small engine of our own, served by one process to the others of its machine: for development, tests,
 * and set-ups in which the host that would hold the elections is the one that matters anyway.
 *
 * It keeps everything in memory. After a start it grants nothing for as long as a lease may last that it gave before
 * (Gray and Cheriton's rule), and its tokens begin at the time of day, so that they grow from life to life as long as
 * that does. What leaders saved is gone with it: where that matters, use etcd, Consul or ZooKeeper.
 */
import * as z from "zod";
import { createClientOn } from "../client/create-client.ts";
import { rpc, service } from "../contract/index.ts";
import { RpcError } from "../core/error.ts";
import { badOption, numberOption } from "../core/option.ts";
import type { Clock, Runtime } from "../core/runtime.ts";
import { pauseUnless } from "../discovery/pause.ts";
import { createServerOn, type ListenOptions, type Server } from "../server/server.ts";
import { checkElectionName, checkRecord, encodeCandidate, readLeader } from "./candidate.ts";
import { type Election, electionOver, type ElectionOptions, type Leader } from "./election.ts";
import type { Ballot, ElectionEngine } from "./engine.ts";

const name = z.string();
const holder = z.string();

export const Arbitration = service("meridian.leadership.v1.Arbitration", {
  /** Takes the seat if it is free, or renews it; a token of 0 says that it is another's. */
  stand: rpc({
    input: z.object({ name, holder, candidate: z.string(), ttlMs: z.number() }),
    output: z.object({ token: z.uint64(), record: z.string().optional() }), idempotent: true,
  }),
  leave: rpc({ input: z.object({ name, holder }), output: z.object({}), idempotent: true }),
  save: rpc({
    input: z.object({ name, token: z.uint64(), record: z.string() }), output: z.object({ saved: z.boolean() }),
    idempotent: true,
  }),
  /** Who leads, whenever that changes and every half a second; a token of 0 for nobody. */
  follow: rpc({
    kind: "server_stream", input: z.object({ name }), output: z.object({ candidate: z.string(), token: z.uint64() }),
  }),
});

export interface ArbiterOptions extends ListenOptions {
  /**
   * After a start nothing is granted for so long, in milliseconds: a lease may last from before. No lease is longer.
   * Default 10,000; 0 only for the first start there ever was.
   */
  readonly quietMs?: number | undefined;
}

export interface HostedArbiter extends AsyncDisposable {
  readonly address: string;
  close(): Promise<void>;
}

interface Chair {
  holder: string;
  candidate: string;
  token: bigint;
  endsAtMs: number;
  record: string | undefined;
  readonly waiting: Set<() => void>;
}

const longestQuietMs = 10_000;
const maxChairs = 1_000;
const tellMs = 500;
const pollMs = 250;
const withdrawMs = 500;

/** Serves an arbiter on `runtime`. Its address goes to {@link arbiterElectionOn}. */
export async function hostArbiterOn(runtime: Runtime, options: ArbiterOptions = {}): Promise<HostedArbiter> {
  const quietMs = numberOption("quietMs", options.quietMs ?? longestQuietMs,
    { least: 0, most: 3_600_000, unit: "milliseconds" });
  const chairs = new Chairs(runtime.clock, quietMs);
  const server: Server = createServerOn(runtime).implement(Arbitration, {
    stand: (request) => chairs.stand(request),
    leave: (request) => {
      chairs.leave(request);
      return {};
    },
    save: (request) => ({ saved: chairs.save(request) }),
    follow: (request, context) => chairs.follow(request.name, () => context.cancelReason === undefined),
  });
  const address = await server.listen(options);
  const close = (): Promise<void> => server.close(0);
  return { address, close, [Symbol.asyncDispose]: close };
}

class Chairs {
  readonly #clock: Clock;
  readonly #mostTtlMs: number;
  readonly #quietUntilMs: number;
  readonly #chairs = new Map<string, Chair>();
  #lastToken: bigint;

  constructor(clock: Clock, quietMs: number) {
    this.#clock = clock;
    this.#mostTtlMs = quietMs === 0 ? longestQuietMs : quietMs;
    this.#quietUntilMs = clock.now() + quietMs;
    this.#lastToken = BigInt(Math.floor(clock.wallMs())) * 1_000n;
  }

  #chair(of: string): Chair {
    let chair = this.#chairs.get(of);
    if (chair === undefined) {
      checkElectionName(of);
      if (this.#chairs.size >= maxChairs) {
        throw new RpcError("resource_exhausted", `an arbiter has at most ${maxChairs} elections`);
      }
      chair = { holder: "", candidate: "", token: 0n, endsAtMs: 0, record: undefined, waiting: new Set() };
      this.#chairs.set(of, chair);
    }
    if (chair.token !== 0n && this.#clock.now() >= chair.endsAtMs) this.#free(chair);
    return chair;
  }

  #free(chair: Chair): void {
    chair.token = 0n;
    chair.holder = chair.candidate = "";
    wake(chair);
  }

  stand(request: { name: string; holder: string; candidate: string; ttlMs: number }) {
    const chair = this.#chair(request.name);
    const nowMs = this.#clock.now();
    if (!(request.ttlMs > 0 && request.ttlMs <= this.#mostTtlMs)) {
      throw badOption("ttlMs", request.ttlMs, `this arbiter grants up to ${this.#mostTtlMs} ms`);
    }
    if (chair.token === 0n && nowMs >= this.#quietUntilMs) {
      chair.token = ++this.#lastToken;
      chair.holder = request.holder;
      chair.candidate = request.candidate;
      wake(chair);
    }
    if (chair.token === 0n || chair.holder !== request.holder) return { token: 0n };
    chair.endsAtMs = nowMs + request.ttlMs;
    return { token: chair.token, record: chair.record };
  }

  leave(request: { name: string; holder: string }): void {
    const chair = this.#chair(request.name);
    if (chair.holder === request.holder && chair.token !== 0n) this.#free(chair);
  }

  save({ name: of, token, record }: { name: string; token: bigint; record: string }): boolean {
    const chair = this.#chair(of);
    if (token === 0n || chair.token !== token) return false;
    chair.record = checkRecord(record);
    return true;
  }

  async *follow(of: string, isWanted: () => boolean) {
    while (isWanted()) {
      const { candidate, token, waiting } = this.#chair(of);
      yield { candidate, token };
      await new Promise<void>((resolve) => {
        const end = (): void => {
          timer.cancel();
          waiting.delete(end);
          resolve();
        };
        const timer = this.#clock.after(tellMs, end).unref();
        waiting.add(end);
      });
    }
  }
}

function wake({ waiting }: Chair): void {
  for (const one of [...waiting]) one();
}

export interface ArbiterElectionOptions extends ElectionOptions {
  /** Where the arbiter is: `host:port`. */
  readonly address: string;
  /** How long the seat outlives who holds it, in milliseconds. Default 1,000. */
  readonly ttlMs?: number | undefined;
}

/** Elections held by an arbiter. Throws `invalid_argument` for options that are out of bounds. */
export function arbiterElectionOn(runtime: Runtime, options: ArbiterElectionOptions): Election {
  const ttlMs = numberOption("ttlMs", options.ttlMs ?? 1_000, { least: 50, most: 3_600_000, unit: "milliseconds" });
  return electionOver(runtime, arbiterEngine(runtime, options.address, ttlMs), ttlMs, options);
}

function arbiterEngine(runtime: Runtime, address: string, ttlMs: number): ElectionEngine {
  const { clock, random } = runtime;
  const client = createClientOn(runtime, Arbitration, {
    address, retry: false, outliers: false, timeoutMs: ttlMs / 2, connectTimeoutMs: ttlMs / 2,
  });

  async function stand(ballot: Ballot, signal: AbortSignal): Promise<void> {
    const question = { name: ballot.name, holder: random.id(), candidate: encodeCandidate(ballot.candidate), ttlMs };
    let token = 0n;
    let renewedMs = clock.now();
    try {
      while (!signal.aborted) {
        const sentMs = clock.now();
        try {
          const answer = await client.stand(question);
          if (signal.aborted) return;
          if (token !== 0n && answer.token !== token) {
            throw new RpcError("aborted", "the arbiter gave the seat to another");
          }
          renewedMs = sentMs;
          if (answer.token !== 0n) ballot.renewed(sentMs, ttlMs);
          if (answer.token !== 0n && token === 0n) {
            token = answer.token;
            ballot.elected({ token, record: answer.record, save: (record) => save(ballot.name, token, record) });
          }
        } catch (error) {
          const isPassing = RpcError.is(error) && (error.code === "unavailable" || error.code === "deadline_exceeded");
          if (!isPassing || clock.now() - renewedMs > ttlMs) throw error;
        }
        await pauseUnless(clock, Math.min(ttlMs / 4, pollMs), signal);
      }
    } finally {
      const { name: of, holder: by } = question;
      await client.leave({ name: of, holder: by }, { timeoutMs: Math.min(ttlMs, withdrawMs) }).catch(() => undefined);
    }
  }

  async function save(of: string, token: bigint, record: string): Promise<void> {
    const { saved } = await client.save({ name: of, token, record });
    if (!saved) throw new RpcError("aborted", `the term ${token} is over: the arbiter knows another leader, or none`);
  }

  async function follow(of: string, told: (leader: Leader | undefined) => void, signal: AbortSignal): Promise<void> {
    for await (const { candidate, token } of client.follow({ name: of }, { signal })) {
      told(token === 0n ? undefined : readLeader(candidate, token));
    }
  }

  return {
    name: `the arbiter at ${address}`, stand,
    follow: (of, told, signal) => follow(of, told, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    }),
    close() {
      client.$.close(0);
      return Promise.resolve();
    },
  };
}
