/**
 * A merged admin answers for several processes under the contract of one: it follows the snapshots of each, asks all
 * for records and endpoints, and hands every change to all of them. Who does not answer is listed as missing.
 */
import { badOption, type Context, RpcError, type Runtime } from "../core/index.ts";
import type { Client, Handlers } from "../contract/index.ts";
import type { AdminContract, Decision, EndpointRow, Happening, Snapshot } from "./contract.ts";
import { mergeSnapshots } from "./merge.ts";
import { Following } from "./following.ts";

/** The admin service of one process. */
export interface AdminSource {
  /** What the merged admin calls it. */
  readonly name: string;
  readonly calls: Client<typeof AdminContract>;
  /** Ends what `calls` stands on, once the source is followed no more. */
  close?(): void;
}

export interface MergedOptions {
  /** What people call the whole. Default `all`. */
  readonly name?: string | undefined;
  readonly version?: string | undefined;
  /** How often processes are followed, in milliseconds. Default 1,000. */
  readonly intervalMs?: number | undefined;
}

export interface MergedAdmin {
  readonly name: string;
  readonly handlers: Handlers<typeof AdminContract>;
  snapshot(): Snapshot;
  /** Follows these from now on; those that are followed already, by name and calls, go on. */
  follow(sources: readonly AdminSource[]): void;
  close(): void;
}

type CallReply = ReturnType<Handlers<typeof AdminContract>["call"]> extends AsyncIterable<infer Item> ? Item : never;

const maxSources = 1_000;
const maxHappenings = 1_000;

export function mergedAdminOn(
  runtime: Runtime, sources: readonly AdminSource[], options: MergedOptions = {},
): MergedAdmin {
  const merged = new Merged(runtime, options);
  merged.follow(sources);
  return {
    name: options.name ?? "all", handlers: merged.handlers(), snapshot: () => merged.snapshot(),
    follow: (next) => merged.follow(next), close: () => merged.close(),
  };
}

class Merged {
  readonly #runtime: Runtime;
  readonly #options: MergedOptions;
  readonly #intervalMs: number;
  readonly #startedWallMs: number;
  #following: Following[] = [];
  readonly #happenings: Happening[] = [];
  #last = 0n;

  constructor(runtime: Runtime, options: MergedOptions) {
    this.#runtime = runtime;
    this.#options = options;
    this.#intervalMs = options.intervalMs ?? 1_000;
    this.#startedWallMs = runtime.clock.wallMs();
  }

  follow(sources: readonly AdminSource[]): void {
    if (sources.length > maxSources) throw badOption("sources", sources.length, `at most ${maxSources} are merged`);
    const before = this.#following;
    this.#following = sources.map((source) =>
      before.find((one) => one.source.name === source.name && one.source.calls === source.calls) ??
      new Following(this.#runtime, source, this.#intervalMs, (happening) => this.#heard(source.name, happening)));
    for (const one of before) if (!this.#following.includes(one)) one.close();
  }

  #heard(from: string, happening: Happening): void {
    this.#happenings.push({ ...happening, sequence: ++this.#last, text: `${from}: ${happening.text}` });
    if (this.#happenings.length > maxHappenings) this.#happenings.shift();
  }

  snapshot(since?: bigint, most = 50): Snapshot {
    const present = this.#following.flatMap(({ part }) => part ?? []);
    return mergeSnapshots({
      atMs: this.#runtime.clock.wallMs(), parts: present,
      happenings: since === undefined
        ? this.#happenings.slice(-most)
        : this.#happenings.filter(({ sequence }) => sequence > since).slice(-most),
      missing: this.#following.flatMap(({ missing }) => missing ?? []),
    });
  }

  close(): void {
    for (const one of this.#following) one.close();
    this.#following = [];
  }

  /** Asks everybody; those who fail are left out, unless all do. */
  async #ask<T>(question: (source: AdminSource) => Promise<T>): Promise<{ source: AdminSource; answer: T }[]> {
    const outcomes = await Promise.allSettled(this.#following.map(async ({ source }) =>
      ({ source, answer: await question(source) })));
    const answers = outcomes.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    const [failed] = outcomes.flatMap((one) => (one.status === "rejected" ? [RpcError.from(one.reason)] : []));
    if (answers.length === 0 && failed !== undefined) throw failed;
    return answers;
  }

  /** Hands a change to everybody, and says whom it did not reach. */
  async #change(change: (source: AdminSource) => Promise<{ text: string }>): Promise<{ text: string }> {
    const outcomes = await Promise.allSettled(this.#following.map(({ source }) => change(source)));
    const failures: string[] = [];
    const texts = new Set<string>();
    let first: RpcError | undefined;
    outcomes.forEach((one, index) => {
      if (one.status === "fulfilled") {
        texts.add(one.value.text);
        return;
      }
      const error = RpcError.from(one.reason);
      first ??= error;
      failures.push(`${this.#following[index]?.source.name ?? "?"} did not: ${error.message}`);
    });
    if (texts.size === 0) throw first ?? new RpcError("unavailable", "no process is followed that could do this");
    return { text: [[...texts].join("; "), ...failures].join("; ") };
  }

  handlers(): Handlers<typeof AdminContract> {
    return {
      describe: (_, context) => this.#describe(context),
      watch: (request, context) => this.#watch(request.intervalMs ?? 1_000, context),
      endpoints: async (query) => {
        const { offset = 0, limit = 1_000 } = query;
        const answers = await this.#ask(({ calls }) => calls.endpoints({ ...query, offset: 0, limit: offset + limit }));
        const rows = distinct(answers.flatMap(({ source, answer }) =>
          answer.endpoints.map((row) => ({ ...row, seenBy: source.name }))));
        const total = Math.max(rows.length, ...answers.map(({ answer }) => answer.total));
        return { total, endpoints: rows.slice(offset, offset + limit) };
      },
      decisions: async (filter) => {
        const answers = await this.#ask(({ calls }) => calls.decisions(filter));
        const all = answers.flatMap(({ answer }) => answer.decisions).sort((a, b) => b.atMs - a.atMs);
        return { decisions: all.slice(0, filter.limit ?? 50) };
      },
      why: ({ id }) => this.#why(id),
      drain: (request, context) => this.#change(({ calls }) => calls.drain(request, { context })),
      undrain: (request, context) => this.#change(({ calls }) => calls.undrain(request, { context })),
      split: (request, context) => this.#change(({ calls }) => calls.split(request, { context })),
      mirror: (request, context) => this.#change(({ calls }) => calls.mirror(request, { context })),
      clearFault: (request, context) => this.#change(({ calls }) => calls.clearFault(request, { context })),
      inject: async (request, context) => {
        const [first] = await this.#ask(({ calls }) => calls.inject(request, { context }));
        if (first === undefined) throw new RpcError("unavailable", "no process is followed that could do this");
        return first.answer;
      },
      rules: () => this.#rules(),
      setRules: (request, context) => this.#setRules(request, context),
      faults: async () => {
        const answers = await this.#ask(({ calls }) => calls.faults({}));
        return {
          faults: answers.flatMap(({ answer }) => answer.faults),
          mirrors: answers.flatMap(({ answer }) => answer.mirrors),
        };
      },
      audit: async (request) => {
        const answers = await this.#ask(({ calls }) => calls.audit(request));
        const lines = answers.flatMap(({ answer }) => answer.lines).sort((a, b) => b.atMs - a.atMs);
        return { lines: lines.slice(0, request.limit ?? 100) };
      },
      contracts: async () => {
        const answers = await this.#ask(({ calls }) => calls.contracts({}));
        const byPath = new Map(answers.flatMap(({ answer }) => answer.methods)
          .map((method) => [`${method.service}/${method.method}`, method]));
        return { methods: [...byPath.values()] };
      },
      call: (request, context) => this.#call(request, context),
    };
  }

  async #describe({ identity }: Context): Promise<Awaited<ReturnType<Client<typeof AdminContract>["describe"]>>> {
    const services = await this.#ask(({ calls }) => calls.describe({})).catch(() => []);
    const mayOperate = identity?.kind !== "anonymous";
    return {
      name: this.#options.name ?? "all", role: "merged", region: "", zone: "", version: this.#options.version ?? "",
      startedMs: this.#startedWallMs, mayOperate,
      why: mayOperate ? "" : "you came without a token: send `authorization: Bearer TOKEN`",
      services: [...new Set(services.flatMap(({ answer }) => answer.services))].sort(),
    };
  }

  async *#watch(intervalMs: number, context: Context): AsyncGenerator<Snapshot> {
    const waitMs = Math.min(60_000, Math.max(250, intervalMs));
    let last: bigint | undefined;
    while (context.cancelReason === undefined) {
      const snapshot = this.snapshot(last, last === undefined ? 50 : 500);
      last = this.#last;
      yield snapshot;
      await new Promise<void>((resolve) => void this.#runtime.clock.after(waitMs, resolve).unref());
    }
  }

  async #why(id: string): Promise<Decision> {
    const outcomes = await Promise.allSettled(this.#following.map(({ source }) => source.calls.why({ id })));
    const found = outcomes.find((one) => one.status === "fulfilled");
    if (found !== undefined) return found.value;
    throw RpcError.from(outcomes.find((one) => one.status === "rejected")?.reason ??
      new RpcError("not_found", "no process is followed that could know"));
  }

  /** All are meant to have the same; of different ones, those that were changed most often are told. */
  async #rules(): Promise<Awaited<ReturnType<Client<typeof AdminContract>["rules"]>>> {
    const answers = (await this.#ask(({ calls }) => calls.rules({}))).map(({ answer }) => answer);
    const newest = answers.reduce((best, one) => (one.version > best.version ? one : best));
    const shares = new Map<string, number>();
    for (const { rule, callsPerSecond } of answers.flatMap((one) => one.shares)) {
      shares.set(rule, (shares.get(rule) ?? 0) + callsPerSecond);
    }
    return { ...newest, shares: [...shares].map(([rule, callsPerSecond]) => ({ rule, callsPerSecond })) };
  }

  async #setRules(
    { version, rulesJson, reason }: { version: bigint; rulesJson: string; reason: string }, context: Context,
  ): Promise<{ version: bigint; text: string }> {
    const present = await this.#ask(({ calls }) => calls.rules({}));
    const newest = present.reduce((most, { answer }) => (answer.version > most ? answer.version : most), 0n);
    if (newest !== version) {
      throw new RpcError("aborted", `the rules are at version ${newest}, not ${version}: somebody has changed them ` +
        "meanwhile. Read them again");
    }
    let after = 0n;
    const { text } = await this.#change(async (source) => {
      const own = present.find((one) => one.source === source)?.answer.version ?? 0n;
      const set = await source.calls.setRules({ version: own, rulesJson, reason }, { context });
      if (set.version > after) after = set.version;
      return set;
    });
    return { version: after, text };
  }

  /** By the first process that knows the contract. */
  async *#call(
    request: Parameters<Client<typeof AdminContract>["call"]>[0], context: Context,
  ): AsyncGenerator<CallReply> {
    const able = await this.#ask(({ calls }) => calls.contracts({}));
    const knows = able.find(({ answer }) => answer.methods.some(({ service, method }) =>
      service === request.service && method === request.method));
    if (knows === undefined) {
      throw new RpcError("not_found", `nobody here knows the contract of ${request.service}/${request.method}`);
    }
    yield* knows.source.calls.call(request, { context });
  }
}

/** Of what several see, the row of who has called it most lately: who has a ping. */
function distinct(rows: readonly EndpointRow[]): EndpointRow[] {
  const byKey = new Map<string, EndpointRow>();
  for (const row of rows) {
    const key = `${row.service}\n${row.id}`;
    const known = byKey.get(key);
    if (known === undefined) {
      byKey.set(key, row);
      continue;
    }
    const [better, other] = known.pingMs > 0 ? [known, row] : [row, known];
    byKey.set(key, { ...better, seenBy: `${better.seenBy}, ${other.seenBy}` });
  }
  return [...byKey.values()];
}
