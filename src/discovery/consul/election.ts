/**
 * Elections in Consul: a session for each candidate, and a key that one session locks at a time.
 *
 * The session ends by its time to live alone, of which Consul promises that it is never shorter (and lets it last up to
 * twice as long): without that, the failure detector of Consul's agents could end it at any moment, also while its
 * holder believes in its lease. A delay after its end is not needed, as who held it has stepped down before. The
 * token is the index of the change that locked the key, which Consul counts over all its changes.
 * https://developer.hashicorp.com/consul/docs/dynamic-app-config/sessions
 */
import { RpcError } from "../../core/error.ts";
import { numberOption } from "../../core/option.ts";
import type { Runtime } from "../../core/runtime.ts";
import { jsonOf, statusError } from "../../http/request-answer.ts";
import { encodeCandidate, readLeader } from "../../leadership/candidate.ts";
import { type Election, type ElectionOptions, electionOver, type Leader } from "../../leadership/election.ts";
import type { Ballot, ElectionEngine } from "../../leadership/engine.ts";
import { type Agent, consulAgent } from "./agent.ts";
import { pause } from "./follow.ts";
import { type ConsulOptions, type ConsulSettings, resolveConsulOptions } from "./settings.ts";

export interface ConsulElectionOptions extends ElectionOptions, Pick<ConsulOptions, "address" | "tls" | "token"> {
  /** What all keys begin with. Default `meridian/`. */
  readonly prefix?: string | undefined;
  /**
   * The session's time to live, in milliseconds: 10,000, the default, is the least that Consul takes, and it may take
   * up to twice as long until the seat of who died is free.
   */
  readonly ttlMs?: number | undefined;
}

/** How much of the lease passes between renewals. */
const renewals = 5;
/** How long Consul holds a question back, in milliseconds: a change ends it at once. */
const waitMs = 10_000;
/** Time for a short answer. */
const patienceMs = 2_000;
const againMs = 200;
const withdrawMs = 900;

/** The same as `consulElection` on another runtime. Throws `invalid_argument` for options that are out of bounds. */
export function consulElectionOn(runtime: Runtime, options: ConsulElectionOptions = {}): Election {
  const ttlMs = numberOption("ttlMs", options.ttlMs ?? 10_000,
    { least: 10_000, most: 86_400_000, whole: true, unit: "milliseconds" });
  const { address, tls, token, prefix = "meridian/" } = options;
  const settings = resolveConsulOptions({ address, tls, token });
  return electionOver(runtime, new ConsulElections(runtime, settings, prefix, ttlMs), ttlMs, options);
}

interface Entry {
  readonly session: string | undefined;
  readonly token: bigint;
  readonly value: string;
}

interface Look {
  readonly entry: Entry | undefined;
  /** What to wait for a change of. */
  readonly index: number;
}

class ConsulElections implements ElectionEngine {
  readonly name: string;
  readonly #runtime: Runtime;
  readonly #agent: Agent;
  readonly #prefix: string;
  readonly #ttlMs: number;

  constructor(runtime: Runtime, settings: ConsulSettings, prefix: string, ttlMs: number) {
    this.#agent = consulAgent(runtime, settings);
    this.name = this.#agent.name;
    this.#runtime = runtime;
    this.#prefix = prefix;
    this.#ttlMs = ttlMs;
  }

  async stand(ballot: Ballot, signal: AbortSignal): Promise<void> {
    const { clock } = this.#runtime;
    const sentMs = clock.now();
    const session = await this.#createSession(ballot);
    ballot.renewed(sentMs, this.#ttlMs);
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    try {
      await Promise.all([
        this.#renew(ballot, session, sentMs, either),
        this.#contend(ballot, session, either),
      ].map((one) => one.finally(() => over.abort())));
    } finally {
      over.abort();
      // With the session its lock goes.
      await this.#put(`/v1/session/destroy/${session}`, undefined, withdrawMs).catch(() => undefined);
    }
  }

  async #createSession({ name, candidate }: Ballot): Promise<string> {
    const answer = await this.#agent.ask({ method: "PUT", path: "/v1/session/create", timeoutMs: patienceMs, body: {
      Name: `${name} ${candidate.id}`.slice(0, 200), TTL: `${this.#ttlMs}ms`, Behavior: "release", LockDelay: "0s",
      // Not tied to any check, above all not to that of the agent's own liveness.
      NodeChecks: [],
    } });
    if (answer.status !== 200) throw statusError(`${this.name}, asked for a session,`, answer);
    const { ID } = jsonOf(this.name, answer) as { readonly ID?: unknown };
    if (typeof ID === "string" && /^[0-9a-f-]{36}$/.test(ID)) return ID;
    throw new RpcError("internal", `${this.name} created a session without an id`, { phase: "decode" });
  }

  async #renew(ballot: Ballot, session: string, createdMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#runtime;
    for (let renewedMs = createdMs;;) {
      await pause(clock, this.#ttlMs / renewals, signal);
      for (;;) {
        if (signal.aborted) return;
        const sentMs = clock.now();
        if (sentMs > renewedMs + this.#ttlMs) {
          throw new RpcError("unavailable", "the session could not be renewed in time");
        }
        try {
          await this.#put(`/v1/session/renew/${session}`, undefined, patienceMs);
          ballot.renewed(sentMs, this.#ttlMs);
          renewedMs = sentMs;
          break;
        } catch (caught) {
          if (!isPassing(RpcError.from(caught))) throw caught;
          await pause(clock, againMs, signal);
        }
      }
    }
  }

  async #contend(ballot: Ballot, session: string, signal: AbortSignal): Promise<void> {
    const key = this.#key(ballot.name, "leader");
    let token: bigint | undefined;
    let index = 0;
    while (!signal.aborted) {
      try {
        const look = await this.#look(key, index, signal);
        index = look.index;
        const { entry } = look;
        if (token !== undefined && entry?.session !== session) {
          throw new RpcError("aborted", "Consul has taken the lock of the leader's key away");
        }
        if (entry?.session === undefined) {
          // What it answers is not needed: the next look shows whose it is, also after an answer that was lost.
          await this.#put(`/v1/kv/${key}?acquire=${session}`, JSON.parse(encodeCandidate(ballot.candidate)));
          index = 0;
          await pause(this.#runtime.clock, 20, signal);
        } else if (entry.session === session && token === undefined) {
          ({ token } = entry);
          await this.#elected(ballot, session, token, signal);
        }
      } catch (caught) {
        if (signal.aborted) return;
        if (!isPassing(RpcError.from(caught))) throw caught;
        index = 0;
        await pause(this.#runtime.clock, againMs, signal);
      }
    }
  }

  async #elected(ballot: Ballot, session: string, token: bigint, signal: AbortSignal): Promise<void> {
    const seat = this.#key(ballot.name, "leader");
    const key = this.#key(ballot.name, "record");
    const { entry } = await this.#look(key, 0, signal);
    if (signal.aborted) return;
    ballot.elected({
      token, record: entry?.value,
      save: async (record) => {
        const answer = await this.#agent.ask({ method: "PUT", path: "/v1/txn", timeoutMs: patienceMs, body: [
          { KV: { Verb: "check-session", Key: decodeURIComponent(seat), Session: session } },
          { KV: { Verb: "set", Key: decodeURIComponent(key), Value: base64Of(record) } },
        ] });
        if (answer.status === 200) return;
        if (answer.status !== 409) throw statusError(this.name, answer);
        throw new RpcError("aborted", `the term ${token} is over: Consul knows another leader, or none`);
      },
    });
  }

  async follow(name: string, told: (leader: Leader | undefined) => void, signal: AbortSignal): Promise<void> {
    const key = this.#key(name, "leader");
    for (let index = 0; !signal.aborted;) {
      const look = await this.#look(key, index, signal);
      if (signal.aborted) return;
      index = look.index;
      const { entry } = look;
      told(entry?.session === undefined ? undefined : readLeader(entry.value, entry.token));
      // An index of 0 waits for nothing.
      if (index === 0) await pause(this.#runtime.clock, againMs, signal);
    }
  }

  /** What a key holds: at once for an index of 0, else when it has changed since. Asked of Consul's leader. */
  async #look(key: string, index: number, signal: AbortSignal): Promise<Look> {
    const wait = index === 0 ? "" : `&index=${index}&wait=${waitMs}ms`;
    const timeoutMs = index === 0 ? patienceMs : waitMs * 17 / 16 + patienceMs;
    const answer = await this.#agent.ask({ method: "GET", path: `/v1/kv/${key}?consistent${wait}`, timeoutMs, signal });
    const told = Number(answer.fields["x-consul-index"] ?? 0);
    const next = Number.isSafeInteger(told) && told > 0 && told >= index ? told : 0;
    if (answer.status === 404) return { entry: undefined, index: next };
    if (answer.status !== 200) throw statusError(this.name, answer);
    // Counted in 64 bits, of which JSON keeps 53: at a thousand changes a second enough for 285,000 years.
    const [entry] = jsonOf(this.name, answer) as readonly {
      readonly Session?: string; readonly ModifyIndex?: number; readonly Value?: string | null;
    }[];
    if (entry === undefined || !Number.isSafeInteger(entry.ModifyIndex)) {
      throw new RpcError("internal", `${this.name} answered no entry of ${key}`, { phase: "decode" });
    }
    return { index: next, entry: {
      session: entry.Session === undefined || entry.Session === "" ? undefined : entry.Session,
      token: BigInt(entry.ModifyIndex as number), value: textOf(entry.Value ?? ""),
    } };
  }

  async #put(path: string, body: unknown, timeoutMs = patienceMs): Promise<void> {
    const answer = await this.#agent.ask({ method: "PUT", path, body, timeoutMs });
    if (answer.status === 404) throw new RpcError("not_found", `${this.name} does not know the session any more`);
    // 500 with this text: a session that has ended may not lock.
    if (answer.status === 500 && /invalid session/.test(answer.text)) {
      throw new RpcError("not_found", `${this.name}: ${answer.text}`);
    }
    if (answer.status !== 200) throw statusError(this.name, answer);
  }

  #key(name: string, what: string): string {
    return `${this.#prefix}.elections/${name}/${what}`.split("/").map(encodeURIComponent).join("/");
  }

  close(): Promise<void> {
    return this.#agent.close();
  }
}

/** Whether the agent may do better next time. */
function isPassing({ code }: RpcError): boolean {
  return code === "unavailable" || code === "deadline_exceeded" || code === "internal" || code === "resource_exhausted";
}

function base64Of(text: string): string {
  let binary = "";
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte);
  return btoa(binary);
}

function textOf(base64: string): string {
  return new TextDecoder().decode(Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)));
}
