/** An issuer of tokens on loopback, with keys that it publishes, rotates and withholds. */
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import * as jose from "jose";

export interface TokenWishes {
  readonly issuer?: string;
  readonly audience?: string;
  /** Seconds from now. */
  readonly expiresIn?: number;
  readonly notBeforeIn?: number;
  readonly subject?: string;
  readonly kid?: string;
  readonly key?: jose.CryptoKey;
  readonly claims?: Record<string, unknown>;
}

export async function startIssuer() {
  let pair = await jose.generateKeyPair("ES256", { extractable: true });
  let kid = "one";
  let isDown = false;
  let asked = 0;
  const server = createServer((request, response) => {
    asked++;
    if (isDown) {
      response.writeHead(503).end("down");
      return;
    }
    void jose.exportJWK(pair.publicKey).then((key) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ keys: [{ ...key, kid, alg: "ES256", use: "sig" }] }));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
  return {
    url,
    issuer: "https://issuer.example",
    get asked() {
      return asked;
    },
    get publicKey() {
      return pair.publicKey;
    },
    down(is: boolean) {
      isDown = is;
    },
    async rotate(next: string) {
      pair = await jose.generateKeyPair("ES256", { extractable: true });
      kid = next;
    },
    token(wishes: TokenWishes = {}): Promise<string> {
      const nowS = Math.floor(Date.now() / 1_000);
      const token = new jose.SignJWT({ region: "eu", ...wishes.claims })
        .setProtectedHeader({ alg: "ES256", kid: wishes.kid ?? kid })
        .setIssuer(wishes.issuer ?? "https://issuer.example").setAudience(wishes.audience ?? "ledger")
        .setSubject(wishes.subject ?? "alice").setIssuedAt()
        .setExpirationTime(nowS + (wishes.expiresIn ?? 600));
      if (wishes.notBeforeIn !== undefined) token.setNotBefore(nowS + wishes.notBeforeIn);
      return token.sign(wishes.key ?? pair.privateKey);
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

export type Issuer = Awaited<ReturnType<typeof startIssuer>>;
