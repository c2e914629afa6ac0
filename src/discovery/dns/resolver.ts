/**
 * A Resolver asks name servers and remembers what they said for as long as they said that it holds.
 *
 * Several servers are asked in order, beginning with the one that answered last; each has a short time, and the row is
 * gone through again while there was silence. A question is under way once, however many wait for it.
 */
import { expected, RpcError } from "../../core/error.ts";
import type { Runtime } from "../../core/runtime.ts";
import { type Answer, readAnswer, type TtlBounds } from "./answer.ts";
import { askByDatagram, askByStream, type Exchange } from "./exchange.ts";
import { describeCode, type DnsMessage, formatError, nameError, noError, type Question } from "./message.ts";

/** Says which name servers there are, as `10.0.0.2:53`, each time they are asked. */
export type NameServers = () => readonly string[] | Promise<readonly string[]>;

export interface ResolverSettings {
  readonly servers: NameServers;
  readonly timeoutMs: number;
  readonly rounds: number;
  readonly ttl: TtlBounds;
  readonly maxCached: number;
}

interface Cached {
  /** What was said last, and what was found last if that was nothing. */
  answer: Answer | undefined;
  good: Answer | undefined;
  underWay: Promise<Answer> | undefined;
}

/** Aliases (CNAME) of aliases that are followed. */
const maxAliases = 8;
/** An answer that needs a stream is a large one. */
const streamPatience = 4;
const maxPlainServers = 64;

export class Resolver {
  readonly #runtime: Runtime;
  readonly #settings: ResolverSettings;
  readonly #cache = new Map<string, Cached>();
  readonly #end = new AbortController();
  /** Servers that do not understand EDNS0 and say so. */
  readonly #plain = new Set<string>();
  /** Whom to ask first. */
  #preferred = "";

  constructor(runtime: Runtime, settings: ResolverSettings) {
    this.#runtime = runtime;
    this.#settings = settings;
  }

  /** The clock by which answers hold. */
  get nowMs(): number {
    return this.#runtime.clock.now();
  }

  /** What is known, while it holds; else what the servers say. Rejects if none of them gives an answer. */
  async ask(question: Question): Promise<Answer> {
    const key = `${question.type} ${question.name}`;
    const cached = this.#cache.get(key) ?? { answer: undefined, good: undefined, underWay: undefined };
    if (cached.answer !== undefined && this.#runtime.clock.now() < cached.answer.refreshAtMs) return cached.answer;
    if (cached.underWay !== undefined) return cached.underWay;
    this.#keep(key, cached);
    cached.underWay = this.#resolve(question).finally(() => {
      cached.underWay = undefined;
    });
    const answer = await cached.underWay;
    cached.answer = answer;
    if (answer.state === "found") cached.good = answer;
    else if (answer.isCertain) cached.good = undefined;
    return answer;
  }

  /** What was found last, however long ago. */
  lastGood({ type, name }: Question): Answer | undefined {
    return this.#cache.get(`${type} ${name}`)?.good;
  }

  /** Moves it to the end of those that must go when there are too many. */
  #keep(key: string, cached: Cached): void {
    this.#cache.delete(key);
    if (this.#cache.size >= this.#settings.maxCached) {
      const oldest = this.#cache.keys().next().value;
      if (oldest !== undefined) this.#cache.delete(oldest);
    }
    this.#cache.set(key, cached);
  }

  async #resolve(question: Question): Promise<Answer> {
    const names: string[] = [];
    let { name } = question;
    let leastTtlMs = Infinity;
    for (;;) {
      const message = await this.#query({ name, type: question.type });
      const answer = readAnswer(message, { name, type: question.type }, this.#runtime, this.#settings.ttl, leastTtlMs);
      if (answer.state !== "alias") return answer;
      names.push(name);
      if (names.includes(answer.name) || names.length > maxAliases) {
        throw expected("unavailable", `${question.name} is an alias in a circle, or of more than ${maxAliases} others`,
          { phase: "resolve" });
      }
      name = answer.name;
      leastTtlMs = answer.ttlMs;
    }
  }

  async #query(question: Question): Promise<DnsMessage> {
    const servers = await this.#servers();
    const failures = new Map<string, string>();
    let unsure: DnsMessage | undefined;
    for (let round = 0; round < this.#settings.rounds; round++) {
      let isSilent = false;
      for (const server of servers) {
        try {
          const message = await this.#exchange(server, question);
          if (message.code === noError || message.code === nameError) {
            this.#preferred = server;
            if (message.answers.length > 0 || message.authorities.length > 0 || message.isAuthoritative) return message;
            // It knows of nothing, without saying who says so: another may know better.
            unsure = message;
          }
          failures.set(server, describeCode(message.code));
        } catch (caught) {
          const error = RpcError.from(caught, "unavailable");
          if (this.#end.signal.aborted) throw error;
          isSilent ||= error.code === "deadline_exceeded";
          failures.set(server, error.message);
        }
      }
      if (unsure !== undefined) return unsure;
      if (!isSilent) break;
    }
    const why = [...failures].map(([server, failure]) => `${server}: ${failure}`).join("; ");
    throw expected("unavailable", `no name server answered for ${question.type} ${question.name}: ${why}`,
      { phase: "resolve" });
  }

  async #servers(): Promise<readonly string[]> {
    const servers = await this.#settings.servers();
    if (servers.length === 0) {
      throw new RpcError("failed_precondition", "there are no name servers to ask: give the option `servers`",
        { phase: "resolve" });
    }
    const first = servers.indexOf(this.#preferred);
    return first <= 0 ? servers : [...servers.slice(first), ...servers.slice(0, first)];
  }

  async #exchange(server: string, question: Question): Promise<DnsMessage> {
    const { timeoutMs } = this.#settings;
    const { signal } = this.#end;
    const extended = !this.#plain.has(server);
    let exchange: Exchange = { server, question, extended, timeoutMs, signal };
    let message = await askByDatagram(this.#runtime, exchange);
    if (message.code === formatError && extended) {
      exchange = { ...exchange, extended: false };
      message = await askByDatagram(this.#runtime, exchange);
      if (message.code !== formatError && this.#plain.size < maxPlainServers) this.#plain.add(server);
    }
    if (!message.isTruncated) return message;
    return askByStream(this.#runtime, { ...exchange, timeoutMs: timeoutMs * streamPatience });
  }

  /** Ends what is under way. */
  close(): void {
    this.#end.abort();
  }
}
