/** An Authenticator finds out who calls, by what stands beside a message or by the connection that it came by. */
import type { Context, Identity, Observer, Runtime } from "../core/index.ts";

/** Credentials that are not accepted: little for the caller, all for the audit log. */
export class NotAccepted {
  /** What the audit log says. No secret stands in it. */
  readonly reason: string;
  /** What the caller is told. */
  readonly says: string;
  /** `unavailable` where it could not be found out, and may be later. */
  readonly code: "unauthenticated" | "unavailable";

  constructor(reason: string, says = "the credentials are not accepted",
    code: "unauthenticated" | "unavailable" = "unauthenticated") {
    this.reason = reason;
    this.says = says;
    this.code = code;
  }
}

export type Authenticated = Identity | NotAccepted;

export interface Authenticator {
  /** What its identities are called: `mtls`, `jwt`. */
  readonly kind: string;
  /**
   * Whose credentials they are: of each `message`, which count before those of the `connection`, which say who hands
   * the message on.
   */
  readonly of: "message" | "connection";
  /** Who calls. Undefined where nothing is shown that it would know; a promise where the answer must be waited for. */
  identify(context: Context): Authenticated | Promise<Authenticated> | undefined;
  close?(): void;
}

export type AuthenticatorMaker = (runtime: Runtime, observer: Observer) => Authenticator;

export function isIdentity(found: Authenticated): found is Identity {
  return !(found instanceof NotAccepted);
}
