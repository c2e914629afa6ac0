/** One identity for whoever knows one secret: an operator's token. */
import { badOption, type Context, type Identity, type Secret } from "../core/index.ts";
import { type AuthenticatorMaker, NotAccepted } from "./authenticator.ts";
import { sameBytes } from "./compare.ts";

export interface TokenOptions {
  /** What rules and the audit log call its bearer. Default `operator`. */
  readonly name?: string | undefined;
  readonly claims?: Identity["claims"] | undefined;
}

const leastChars = 16;

/** Knows who sends `authorization: Bearer …` with `token`, which is read anew where its file changes. */
export function bearerToken(token: Secret, options: TokenOptions = {}): AuthenticatorMaker {
  const identity: Identity = Object.freeze({
    kind: "token", name: options.name ?? "operator", claims: options.claims ?? {},
  });
  return ({ sealing }) => {
    if (sealing === undefined) throw badOption("bearerToken", "[secret]", "this runtime has no hashes");
    const digest = (text: string): Uint8Array => sealing.digest(new TextEncoder().encode(text));
    const isSame = (a: string, b: string): boolean => sameBytes(digest(a), digest(b));
    return {
      kind: "token", of: "message",
      identify({ metadata }: Context) {
        const header = metadata["authorization"];
        if (header === undefined || !/^bearer /i.test(header)) return undefined;
        const expected = token.reveal();
        if (expected.length < leastChars) {
          return new NotAccepted(`the secret has fewer than ${leastChars} characters: somebody would guess it`);
        }
        // Of digests the length says nothing, nor where they part.
        return isSame(header.slice(7), expected) ? identity : new NotAccepted("the token is another");
      },
    };
  };
}
