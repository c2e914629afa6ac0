/** Tokens stand for user and password: one for all members, fetched when first needed, and again when it is refused. */
import { RpcError } from "../../core/error.ts";
import type { Client } from "../../contract/types.ts";
import type { Auth } from "./contract.ts";
import { explain } from "./failure.ts";
import type { EtcdSettings } from "./settings.ts";

export class Tokens {
  readonly #settings: EtcdSettings;
  #token: string | undefined = undefined;
  #fetching: Promise<string> | undefined = undefined;

  constructor(settings: EtcdSettings) {
    this.#settings = settings;
  }

  /** The token now; "" for none. `refused` is one that a member no longer takes. */
  async token(auth: Client<typeof Auth>, signal: AbortSignal, refused?: string): Promise<string> {
    if (this.#settings.user === undefined) return "";
    if (this.#token !== undefined && this.#token !== refused) return this.#token;
    this.#fetching ??= this.#authenticate(auth, signal).finally(() => {
      this.#fetching = undefined;
    });
    return this.#token = await this.#fetching;
  }

  async #authenticate(auth: Client<typeof Auth>, signal: AbortSignal): Promise<string> {
    const { user = "", password, openTimeoutMs } = this.#settings;
    try {
      const { token } = await auth.authenticate({ name: user, password }, { signal, timeoutMs: openTimeoutMs });
      return token;
    } catch (caught) {
      const error = RpcError.from(caught);
      // Authentication is not enabled (yet): whoever asks is let in.
      if (error.code === "failed_precondition" && /not enabled/.test(error.message)) return "";
      throw explain(error, this.#settings);
    }
  }
}
