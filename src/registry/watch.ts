/** A Watch is one caller's stream of a name's snapshots: always the newest, never a backlog. */
import { Alarm } from "../core/alarm.ts";
import type { Cancellable, Context } from "../core/context.ts";
import type { RpcError } from "../core/error.ts";
import type { Clock } from "../core/runtime.ts";
import type { SnapshotPart } from "./contract.ts";
import type { NameWatcher, RegisteredName } from "./name.ts";

/** What a snapshot says of the registry that tells it. */
export interface Incarnation {
  readonly id: string;
  /** Milliseconds until it has heard from everybody who lives. */
  settlesInMs(): number;
}

export interface WatchOptions {
  readonly clock: Clock;
  readonly incarnation: Incarnation;
  readonly name: RegisteredName;
  readonly keepaliveMs: number;
  /** Whether the caller keeps the set itself, so that it can be told what changed. */
  readonly takesChanges: boolean;
}

export class Watch extends Alarm implements NameWatcher, Cancellable {
  override keepsAlive = false;
  readonly #options: WatchOptions;
  #resume: (() => void) | undefined = undefined;
  #ended = false;
  #error: RpcError | undefined = undefined;

  constructor(options: WatchOptions) {
    super();
    this.#options = options;
  }

  /** Runs until the caller leaves or the registry closes. */
  async *run(context: Context): AsyncGenerator<SnapshotPart, void, undefined> {
    const { clock, name } = this.#options;
    name.watchers.add(this);
    context.onCancel(this);
    try {
      let sent: bigint | undefined;
      while (!this.#ended) {
        // While a change is about to be published, what is known now would be out of date on arrival.
        if (name.version !== sent && !name.isChanged) {
          const basis = sent;
          sent = name.version;
          yield* this.#news(basis, sent);
        } else {
          const nothingCame = await this.#wait(this.#patienceMs());
          // With a change about to be told, "settled" would be said of what is known without it.
          if (nothingCame && !this.#ended && !name.isChanged) {
            yield this.#part({ unchanged: true, version: name.version });
          }
        }
      }
      if (this.#error !== undefined) throw this.#error;
    } finally {
      clock.clear(this);
      context.offCancel(this);
      name.watchers.delete(this);
    }
  }

  /** What changed since `basis`, or where that does not do the complete set. */
  *#news(basis: bigint | undefined, version: bigint): Generator<SnapshotPart> {
    const { name, takesChanges } = this.#options;
    const changes = takesChanges && basis !== undefined ? name.changesSince(basis) : undefined;
    if (changes === undefined || basis === undefined) yield* this.#snapshot(version);
    else yield this.#part({ version, basis, endpoints: changes.endpoints as never, removed: changes.removed as never });
  }

  *#snapshot(version: bigint): Generator<SnapshotPart> {
    const parts = this.#options.name.parts();
    // As of now, like the parts, however slowly they are read.
    const settlesInMs = this.#options.incarnation.settlesInMs();
    for (const [i, endpoints] of parts.entries()) {
      if (this.#ended) return;
      yield this.#part({
        version, settlesInMs, endpoints: endpoints as SnapshotPart["endpoints"], more: i < parts.length - 1,
      });
    }
  }

  #part(fields: Partial<SnapshotPart> & { readonly version: bigint }): SnapshotPart {
    const { incarnation } = this.#options;
    return {
      incarnation: incarnation.id, settlesInMs: incarnation.settlesInMs(), unchanged: false, more: false,
      endpoints: [], basis: 0n, removed: [], ...fields,
    };
  }

  /** Until the next sign of life; the first is due when the registry has settled, since only it can say so. */
  #patienceMs(): number {
    const { incarnation, keepaliveMs } = this.#options;
    const settlesInMs = incarnation.settlesInMs();
    return settlesInMs > 0 ? Math.min(settlesInMs, keepaliveMs) : keepaliveMs;
  }

  /** Resolves at the next event; true if there was none for `patienceMs`. */
  async #wait(patienceMs: number): Promise<boolean> {
    const { clock } = this.#options;
    clock.set(this, clock.now() + patienceMs);
    await new Promise<void>((resolve) => {
      this.#resume = resolve;
    });
    const rang = !this.isSet;
    clock.clear(this);
    return rang;
  }

  #wake(): void {
    const resume = this.#resume;
    this.#resume = undefined;
    resume?.();
  }

  ring(): void {
    this.#wake();
  }

  published(): void {
    this.#wake();
  }

  cancelled(): void {
    this.end();
  }

  /** Ends the stream, with `error` if there is something to say. */
  end(error?: RpcError): void {
    this.#ended = true;
    this.#error = error;
    this.#wake();
  }
}
