// A client in Region1 calls `add`, which Region1 serves, and `subtract`, which Region2 serves, as local functions.
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { createClient } from "../../src/index.ts";
import { hostRegistry } from "../../src/registry/index.ts";
import { Addition, Subtraction } from "./contract.ts";

// A registry without a past has nobody to wait for, so its first word is good at once.
const registry = await hostRegistry({ settleMs: 0 });

const program = fileURLToPath(new URL("region.ts", import.meta.url));
const regions = ["Region1", "Region2"].map((name) => fork(program, [name, registry.address]));
const addresses = await Promise.all(regions.map(async (region) => String((await once(region, "message"))[0])));

// All that the client knows is the gateway of its own region.
const gateway = { region: "Region1", address: addresses[0] as string };
const addition = createClient(Addition, gateway);
const subtraction = createClient(Subtraction, gateway);

const { add } = addition;
const { subtract } = subtraction;

const sum = await add({ a: 10, b: 5 });
console.log(`add(10, 5) = ${sum.result}, served in ${sum.servedIn}`);

const difference = await subtract({ a: 10, b: 5 });
console.log(`subtract(10, 5) = ${difference.result}, served in ${difference.servedIn}`);

addition.$.close();
subtraction.$.close();
for (const region of regions) region.disconnect();
await Promise.all(regions.map((region) => once(region, "exit")));
await registry.close();
