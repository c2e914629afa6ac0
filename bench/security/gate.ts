// What a guard costs each call, in nanoseconds, beside a call without one: `node bench/security/gate.ts`.
import * as jose from "jose";
import {
  Context, createMetadata, type Identity, type MethodInfo, nextMethodOrdinal, type Peer,
} from "../../src/core/index.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import { auth, type AuthOptions, jwt, mtls } from "../../src/security/index.ts";

const method: MethodInfo = {
  service: "a.B", name: "c", path: "a.B/c", wireName: "c", kind: "unary", idempotent: false, criticality: "default",
  timeoutMs: undefined, routeKey: undefined, ordinal: nextMethodOrdinal(),
};
const peer: Peer = {
  address: "127.0.0.1:1", isSecured: true, certificate: {
    subject: "CN=orders", commonName: "orders", dnsNames: [], uris: ["spiffe://prod/orders"], fingerprint: "AB",
    spiffe: { id: "spiffe://prod/orders", trustDomain: "prod", path: "/orders" }, spiffeProblem: undefined,
    validToMs: Date.now() + 1e9,
  },
};
const pair = await jose.generateKeyPair("ES256", { extractable: true });
const token = await new jose.SignJWT({}).setProtectedHeader({ alg: "ES256", kid: "k" }).setIssuer("i").setAudience("a")
  .setSubject("alice").setIssuedAt().setExpirationTime("1h").sign(pair.privateKey);
const keys = [{ ...await jose.exportJWK(pair.publicKey), kid: "k", alg: "ES256" } as { kty: string }];
const tokens = jwt({ issuer: "i", audience: "a", jwks: { keys } });

const rules = [
  { name: "other", method: "d" }, { name: "far", who: { spiffe: "spiffe://test/*" } }, { name: "known" },
] as const;
const header = `Bearer ${token}`;

/** As a wire has it that reads each head anew: another text each time. */
const shown = (): Record<string, string> =>
  ({ __proto__: null, authorization: Buffer.from(bytes).toString("latin1") }) as unknown as Record<string, string>;
const bytes = Buffer.from(header, "latin1");

interface Case {
  readonly name: string;
  readonly options?: AuthOptions;
  readonly metadata?: () => Record<string, string>;
}

const cases: readonly Case[] = [
  { name: "no guard" },
  { name: "certificate, 3 rules", options: { identities: [mtls()], rules } },
  {
    name: "certificate, 3 rules, requests limited",
    options: { identities: [mtls()], rules, requests: { perSecond: 1e9 } },
  },
  { name: "no guard, with a token's metadata", metadata: shown },
  {
    name: "token seen before on the connection, 1 rule", metadata: shown,
    options: { identities: [tokens], rules: [{ name: "known" }] },
  },
  { name: "certificate, 3 rules, one asks metadata", metadata: () => createMetadata({ tenant: "t1" }),
    options: { identities: [mtls()], rules: [{ name: "t", metadata: { tenant: "u*" } }, ...rules] } },
  {
    name: "certificate, 3 rules, audit of all (1,000 a second are told)",
    options: { identities: [mtls()], rules, audit: { sink: () => undefined } },
  },
];

const calls = 300_000;
for (const { name, options, metadata } of cases) {
  const guard = options && auth(options)(nodeRuntime, {});
  const gate = guard?.gate(method, undefined);
  const service = guard?.layer(() => 1) ?? (() => 1);
  const once = (): unknown => {
    const context = new Context(method, 0, Infinity, metadata && { metadata: metadata() });
    context.peer = peer;
    if (gate?.isShut === true) {
      const refusal = gate.refuse(context);
      if (refusal !== undefined) throw refusal;
    }
    return service(undefined, context);
  };
  await once();
  const times: number[] = [];
  for (let round = 0; round < 7; round++) {
    const startedNs = process.hrtime.bigint();
    for (let i = 0; i < calls; i++) once();
    times.push(Number(process.hrtime.bigint() - startedNs) / calls);
  }
  console.log(`${times.toSorted((a, b) => a - b)[3]?.toFixed(0).padStart(6)} ns  ${name}`);
}
export type { Identity };
