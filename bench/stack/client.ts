// A client of bench/stack.ts: SETUP OUTSTANDING ADDRESS... Makes as many calls as it is told, and tells what they cost.
import { createClient } from "../../src/index.ts";
import { Context } from "../../src/core/index.ts";
import { codersOf } from "../../src/contract/coders.ts";
import { protobuf } from "../../src/codec/index.ts";
import { nativeConnect } from "../../src/protocol/native/index.ts";
import { nodeRuntime } from "../../src/runtime/node/index.ts";
import { sameRecord, smallRecord } from "../records.ts";
import { Echo } from "../systems/meridian/contract.ts";
import { cpuNs, endAlone } from "./process.ts";
import { setUps } from "./set-ups.ts";

const { name, tags } = smallRecord(7);
const record = { id: 7, name, tags: [...tags] };
type Call = (request: typeof record) => Promise<unknown>;

const [setUpName, outstanding, ...addresses] = process.argv.slice(2);
endAlone();
const { options } = setUps.find((one) => one.name === setUpName) ?? {};
const call = options === undefined ? await bareWire() : clientCall();
if (!sameRecord(await call(record), record)) throw new Error("a reply is not what was sent");
process.on("message", (calls: number) => void run(calls));
process.send?.("ready");

/** Connections alone, called by turns. */
async function bareWire(): Promise<Call> {
  const coders = codersOf(Echo.methods.small, protobuf);
  const observer = { attemptEnded() {} };
  const method = Echo.methods.small;
  const connections = await Promise.all(addresses.map((address) =>
    new Promise<ReturnType<ReturnType<typeof nativeConnect>>>((resolve) => {
      const nothing = (): void => undefined;
      const made = nativeConnect({ coders: () => coders })(nodeRuntime, address, {
        opened: () => resolve(made), draining: nothing, closed: nothing, pinged: nothing, reported: nothing,
      });
    })));
  let turn = 0;
  return (request) => {
    const connection = connections[turn] as (typeof connections)[number];
    if (++turn === connections.length) turn = 0;
    const nowMs = nodeRuntime.clock.now();
    return connection.call(request, new Context(method, nowMs, nowMs + 15_000), observer) as Promise<unknown>;
  };
}

function clientCall(): Call {
  const client = createClient(Echo, { ...options, address: addresses });
  return (request) => client.small(request);
}

async function run(calls: number): Promise<void> {
  const beganNs = cpuNs();
  let left = calls;
  await Promise.all(Array.from({ length: Number(outstanding) }, async () => {
    while (left-- > 0) await call(record);
  }));
  process.send?.(cpuNs() - beganNs);
}
