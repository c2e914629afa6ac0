/** What a gateway says of its callers is believed from those alone whom the policy names. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { memoryDiscovery } from "../../src/discovery/index.ts";
import { createGateway, type GatewayOptions } from "../../src/gateway/index.ts";
import { grpc } from "../../src/protocol/index.ts";
import { auth, type AuthOptions, jwt, mtls } from "../../src/security/index.ts";
import { startIssuer, type Issuer } from "./issuer.ts";
import { callOnce, Certificates, serveLedger } from "./support.ts";

let certificates: Certificates;
let issuer: Issuer;
const gatewayId = "spiffe://prod.example/region/eu/gateway";
before(async () => {
  issuer = await startIssuer();
  certificates = new Certificates();
  certificates.certify("server");
  certificates.certify("gateway", { names: `URI:${gatewayId}` });
  certificates.certify("orders", { names: "URI:spiffe://prod.example/ns/shop/sa/orders" });
});
after(async () => {
  certificates.close();
  await issuer.close();
});

const users = () => jwt({ issuer: issuer.issuer, audience: "ledger", jwks: { url: issuer.url } });

interface Seen {
  readonly name: string | undefined;
  readonly via: string | undefined;
  readonly region: string | undefined;
  readonly hops: number;
  readonly metadata: readonly string[];
}

/** A server that trusts gateways by `trust`, behind a gateway with `gatewayAuth`; what its handlers saw. */
async function behind(trust: AuthOptions["trust"], gatewayAuth: GatewayOptions["auth"]) {
  const seen: Seen[] = [];
  const discovery = memoryDiscovery();
  const { server, address, events } = await serveLedger({
    tls: certificates.serving("server"), registry: discovery, region: "eu",
    auth: auth({ identities: [mtls()], rules: [{ name: "known", who: "identified" }], trust }),
    stack: {
      look: (next) => (request, context) => {
        const { identity, hops, metadata } = context;
        seen.push({
          name: identity?.name, via: identity?.via, region: identity?.region, hops,
          metadata: Object.keys(metadata).filter((name) => /^meridian-(?:caller|rule)$/.test(name)),
        });
        return next(request, context);
      },
    },
  });
  const gateway = createGateway({
    region: "eu", discovery, tls: certificates.serving("server"), auth: gatewayAuth,
    client: { tls: certificates.calling("gateway"), protocol: grpc() },
  });
  const door = await gateway.listen();
  return {
    seen, events, address, door,
    async close() {
      await gateway.close(0);
      await server.close(0);
    },
  };
}

const trusting = { gateways: [{ who: { spiffe: "spiffe://prod.example/region/*/gateway" } }] };

test("a trusted gateway says on whose behalf it calls, where it knows that", async () => {
  const world = await behind(trusting, auth({ identities: [users(), mtls()] }));
  try {
    const options = { protocol: grpc(), tls: certificates.calling("orders") };
    const authorization = `Bearer ${await issuer.token()}`;
    assert.equal((await callOnce(world.door, options, { authorization })).balance, 3);
    assert.equal((await callOnce(world.door, options)).balance, 3);
    assert.deepEqual(world.seen, [
      { name: "alice", via: gatewayId, region: "eu", hops: 1, metadata: [] },
      { name: "spiffe://prod.example/ns/shop/sa/orders", via: gatewayId, region: "eu", hops: 1, metadata: [] },
    ]);
  } finally {
    await world.close();
  }
});

const forged = {
  "meridian-caller": JSON.stringify({ kind: "jwt", name: "root", claims: {} }), "meridian-rule": "canary",
};

test("what a caller says of itself is taken away, at the server and at a gateway that knows nobody", async () => {
  const world = await behind(trusting, undefined);
  try {
    const options = { protocol: grpc(), tls: certificates.calling("orders") };
    assert.deepEqual(await callOnce(world.address, options, forged), { balance: 3 });
    assert.deepEqual(await callOnce(world.door, options, forged), { balance: 3 });
    assert.deepEqual(world.seen.map(({ name, via, hops, metadata }) => ({ name, via, hops, metadata })), [
      { name: "spiffe://prod.example/ns/shop/sa/orders", via: undefined, hops: 0, metadata: [] },
      { name: gatewayId, via: undefined, hops: 1, metadata: ["meridian-rule"] },
    ]);
  } finally {
    await world.close();
  }
});

test("a gateway that the policy does not name is a caller like others", async () => {
  const world = await behind({ gateways: [{ who: { spiffe: "spiffe://other.example/*" } }] },
    auth({ identities: [users()] }));
  try {
    const authorization = `Bearer ${await issuer.token()}`;
    const options = { protocol: grpc(), tls: certificates.calling() };
    assert.equal((await callOnce(world.door, options, { authorization })).balance, 3);
    assert.deepEqual(world.seen[0], { name: gatewayId, via: undefined, region: undefined, hops: 0, metadata: [] });
  } finally {
    await world.close();
  }
});

test("a gateway speaks for the regions alone that the policy gives it", async () => {
  const world = await behind({ gateways: [{ ...trusting.gateways[0] as { who: object }, regions: ["us"] }] },
    auth({ identities: [users()] }));
  try {
    const authorization = `Bearer ${await issuer.token()}`;
    const { error } = await callOnce(world.door, { protocol: grpc(), tls: certificates.calling() }, { authorization });
    assert.equal(error?.code, "unauthenticated");
    const told = world.events.find(({ event }) => event === "audit");
    assert.match(String(told?.["reason"]), /speaks for us alone, not for eu/);
    assert.equal(world.seen.length, 0);
  } finally {
    await world.close();
  }
});

test("a gateway refuses by its own rules, before a server is asked", async () => {
  const world = await behind(trusting, auth({
    identities: [users(), mtls()], rules: [{ name: "alice", who: { kind: "jwt", name: "alice" } }],
  }));
  try {
    const options = { protocol: grpc(), tls: certificates.calling("orders") };
    assert.equal((await callOnce(world.door, options)).error?.code, "permission_denied");
    const authorization = `Bearer ${await issuer.token({ subject: "bob" })}`;
    assert.equal((await callOnce(world.door, options, { authorization })).error?.code, "permission_denied");
    assert.equal(world.seen.length, 0);
  } finally {
    await world.close();
  }
});
