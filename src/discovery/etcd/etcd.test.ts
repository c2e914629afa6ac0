// The driver over its own wire, against servers that only look like etcd; and the options it refuses.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RpcError } from "../../core/error.ts";
import { createServer } from "../../server/index.ts";
import { Auth, Kv, Lease, Watch } from "./contract.ts";
import { etcdDiscovery, type EtcdOptions } from "./index.ts";

const header = { clusterId: 1n, memberId: 2n, revision: 3n };

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let i = 0; !holds(); i++) {
    if (i > 4_000) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Serves what etcd would, out of one list; what it says of leases, and how its watches go on, is the test's. */
async function pretend(grant: () => { id: bigint; ttl: bigint }, watches: () => AsyncGenerator<never>) {
  const calls = { authenticate: 0, put: 0, renew: 0 };
  const server = createServer().implement(Kv, {
    range: (_request, context) => {
      if (context.metadata["token"] !== `token-${calls.authenticate}`) {
        throw new RpcError("unauthenticated", "etcdserver: invalid auth token");
      }
      return { header, kvs: [], more: true, count: -1n };
    },
    put: () => {
      calls.put++;
      return { header };
    },
    txn: () => ({ header, succeeded: false }),
  }).implement(Watch, { watch: watches }).implement(Lease, {
    leaseGrant: () => ({ header, ...grant() }),
    leaseRevoke: () => ({ header }),
    async *leaseKeepAlive(requests) {
      calls.renew++;
      for await (const { id } of requests) yield { header, id, ttl: calls.renew === 2 ? 0n : 1n };
    },
  }).implement(Auth, { authenticate: () => ({ header, token: `token-${++calls.authenticate}` }) });
  return { server, calls, address: await server.listen() };
}

test("leases of no time are refused, one that ran out is taken out anew, tokens are fetched again", async () => {
  let ttl = 0n;
  // eslint-disable-next-line require-yield
  const { server, calls, address } = await pretend(() => ({ id: 7n, ttl }), async function* () {
    throw new RpcError("unavailable", "etcdserver: no leader");
  });
  const events: string[] = [];
  const known = etcdDiscovery({ address, user: "u", password: "p", retryMaxMs: 60, observer: {
    event: (name, { error }) => void events.push(`${name} ${String(error)}`),
  } });
  const sets: unknown[] = [];
  known.watch("geo", { snapshot: (endpoints) => void sets.push(endpoints) });
  const registration = known.register("geo", { address: "10.0.0.1:7001" });
  await until("refused", () => events.some((one) => /register\.failed .*a lease of no time/.test(one)));
  ttl = 1n;
  await registration.registered;
  await until("renewed, lost and entered again", () => calls.renew >= 3 && calls.put >= 2);
  assert.ok(events.some((one) => /register\.lost/.test(one)));
  assert.ok(events.some((one) => /discovery\.lost .*no leader/.test(one)));
  assert.deepEqual(sets, [[]]);
  // A token is taken for as long as the server takes it.
  assert.equal(calls.authenticate, 1);
  calls.authenticate++;
  await until("the token is fetched again", () => calls.authenticate > 2);
  await known.close();
  await server.close(0);
});

test("who is no etcd is said to be none", async () => {
  const server = createServer();
  const known = etcdDiscovery({ address: await server.listen() });
  const failures: string[] = [];
  known.watch("geo", { snapshot: () => assert.fail(), failed: (error) => void failures.push(error.message) });
  await until("it is said", () => failures.length > 0);
  assert.match(failures[0] ?? "", /does not speak etcd's API of version 3 .*is it etcd, 3\.4 or later\?/);
  await known.close();
  await server.close(0);
});

test("options that cannot be meant are refused at once, by name", () => {
  function refused(options: EtcdOptions, pattern: RegExp): void {
    assert.throws(() => etcdDiscovery(options),
      (error: unknown) => RpcError.is(error) && error.code === "invalid_argument" && pattern.test(error.message));
  }
  refused({ address: "http://10.0.0.5:2379" }, /expected "10\.0\.0\.5:2379"$/);
  refused({ address: "https://10.0.0.5:2379/" }, /expected "10\.0\.0\.5:2379" and the option `tls`/);
  refused({ address: "10.0.0.5" }, /the address "10\.0\.0\.5"; expected host:port/);
  refused({ address: [] }, /0 addresses/);
  refused({ user: "orders" }, /a user without a password/);
  refused({ password: "swordfish" }, /a password without a user; expected both or none$/);
  refused({ ttlMs: 10 }, /ttlMs 10/);
  refused({ silenceMs: 0.5 }, /silenceMs 0\.5/);
  refused({ pageEntries: 0 }, /pageEntries 0/);
  refused({ prefix: "x".repeat(300) }, /a prefix of 300 characters/);
});
