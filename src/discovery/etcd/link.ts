/** A Link is the way to a cluster: one session, with whichever member answers. */
import { RpcError } from "../../core/error.ts";
import { Session, type SessionParts } from "./session.ts";

export class Link {
  readonly #parts: SessionParts;
  /** The member that is tried first. */
  #first: number;
  #session: Session | undefined = undefined;
  /** One that has not answered yet. */
  #candidate: Session | undefined = undefined;
  #opening: Promise<Session> | undefined = undefined;
  #closed = false;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    // Not everybody's first, or one member would have all the work.
    this.#first = Math.floor(parts.runtime.random.next() * parts.settings.addresses.length);
  }

  get members(): number {
    return this.#parts.settings.addresses.length;
  }

  /** The session now, or a new one. Rejects when no member answers, with what was wrong with each. */
  session(): Promise<Session> {
    if (this.#session?.signal.aborted === false) return Promise.resolve(this.#session);
    return this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
  }

  async #open(): Promise<Session> {
    const { addresses } = this.#parts.settings;
    const errors: RpcError[] = [];
    for (let i = 0; i < addresses.length; i++) {
      if (this.#closed) throw new RpcError("cancelled", "the driver is closed");
      const session = new Session(this.#parts, addresses[this.#first] as string);
      this.#candidate = session;
      try {
        await session.open();
      } catch (error) {
        this.#first = (this.#first + 1) % addresses.length;
        errors.push(RpcError.from(error));
        continue;
      }
      session.signal.addEventListener("abort", () => this.#lost(session), { once: true });
      if (session.signal.aborted) continue;
      return this.#session = session;
    }
    throw combined(errors);
  }

  #lost(session: Session): void {
    if (this.#closed) return;
    this.#first = (this.#first + 1) % this.members;
    const error = session.signal.reason as RpcError;
    this.#parts.settings.observer.event?.("etcd.member.lost", { member: session.address, error: error.message });
  }

  close(): void {
    this.#closed = true;
    for (const one of [this.#session, this.#candidate]) one?.fail(new RpcError("cancelled", "the driver is closed"));
  }
}

/** A refusal counts more than that others could not be reached. */
function combined(errors: readonly RpcError[]): RpcError {
  const refusal = errors.find(({ code }) => code === "unauthenticated" || code === "invalid_argument");
  const code = (refusal ?? errors.at(-1))?.code ?? "unavailable";
  const message = [...new Set((refusal === undefined ? errors : [refusal]).map((one) => one.message))].join("; ");
  return new RpcError(code, message === "" ? "etcd was lost as soon as it was found" : message,
    { cause: errors.at(-1), phase: "resolve" });
}
