import assert from "node:assert/strict";
import { test } from "node:test";
import { ByAddress, originOf } from "./by-address.ts";

test("an address is its host; of IPv6, the network of its subscriber", () => {
  for (const [peer, origin] of [
    ["127.0.0.1:8080", "127.0.0.1"], ["unix:/run/a", "unix:/run/a"], ["[::ffff:10.0.0.1]:80", "10.0.0.1"],
    ["[2001:db8:1:2:3:4:5:6]:80", "2001:db8:1:2::/64"], ["[2001:db8::7]:80", "2001:db8:0:0::/64"],
    ["[::1]:80", "0:0:0:0::/64"], ["[fe80::1%eth0]:80", "fe80:0:0:0::/64"],
  ] as const) assert.equal(originOf(peer), origin);
});

test("what is open is counted by it, and forgotten", () => {
  const open = new ByAddress(2);
  open.opened("10.0.0.1:1");
  open.opened("10.0.0.1:2");
  assert.deepEqual([open.of("10.0.0.1:3"), open.of("10.0.0.2:3")], [2, 0]);
  open.closed("10.0.0.1:1");
  open.closed("10.0.0.1:2");
  assert.equal(open.of("10.0.0.1:3"), 0);
});
