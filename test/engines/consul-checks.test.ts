// What a real Consul agent makes of our servers when it looks at them itself: by HTTP and by gRPC.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import * as z from "zod";
import { rpc, service } from "../../src/contract/index.ts";
import type { ConsulCheck } from "../../src/discovery/consul/index.ts";
import { createServer } from "../../src/server/index.ts";
import { callConsul, consul, discoveryAt, startConsul } from "./consul.ts";
import type { EngineProcess } from "./engine-process.ts";
import { ids, record, until } from "./recorder.ts";

const skip = consul.missing ?? false;
const timeout = 120_000;
// The agent's patience is that of a slow machine: how long a server may be silent is not what is tested.
const times = { intervalMs: 200, timeoutMs: 10_000 };
const kinds: readonly ConsulCheck[] = [{ kind: "http", ...times }, { kind: "grpc", ...times }];

const Web = service("checked.v1.Web", { get: rpc({ input: z.object({}), output: z.object({}) }) });

let agent: EngineProcess;
before(async () => {
  if (skip === false) agent = await startConsul();
});
after(() => agent?.stop());

describe("Consul asks our servers", { skip }, () => {
  for (const check of kinds) {
    test(`by ${check.kind}: in with the first good answer, out and in as the server says`, { timeout }, async () => {
      await using known = discoveryAt(agent.address, { check });
      await using server = createServer({ region: "eu", registry: known }).implement(Web, { get: () => ({}) });
      const seen = record(known, "checked.v1.Web");
      server.health.set("", "NOT_SERVING");
      const address = await server.listen();
      await refused(address);
      assert.deepEqual(seen.told.flat(), [], "nobody is found before the first good answer");
      server.health.set("", "SERVING");
      await until(() => ids(seen) === address);
      server.health.set("", "NOT_SERVING");
      await until(() => ids(seen) === "");
      server.health.set("", "SERVING");
      await until(() => ids(seen) === address);
      await server.close(0);
      await until(() => ids(seen) === "");
      assert.deepEqual(await checksOf(address), [], "who closes takes its entry away");
      assert.deepEqual(seen.failures, []);
    });
  }

  test("a server that is killed goes, and is back with the next one there", { timeout }, async () => {
    const processes: ChildProcess[] = [];
    await using things = new AsyncDisposableStack();
    things.defer(() => void processes.map((one) => one.kill("SIGKILL")));
    const serve = async (port: number): Promise<string> => {
      const child = spawnServer(port);
      processes.push(child);
      const [line] = await once(child.stdout as NodeJS.ReadableStream, "data") as [Buffer];
      return String(line).trim();
    };
    const address = await serve(0);
    const seen = await Promise.all(kinds.map(async (check) => {
      const known = things.use(discoveryAt(agent.address, { check }));
      await known.register(`killed.${check.kind}`, { address }).registered;
      return record(known, `killed.${check.kind}`);
    }));
    await until(() => seen.every((one) => ids(one) === address));
    processes[0]?.kill("SIGKILL");
    await until(() => seen.every((one) => ids(one) === ""));
    assert.equal(await serve(Number(address.split(":")[1])), address);
    await until(() => seen.every((one) => ids(one) === address));
  });
});

interface AgentCheck {
  readonly Name: string;
  readonly Status: string;
  readonly Output: string;
}

async function checksOf(address: string): Promise<readonly AgentCheck[]> {
  const { value } = await callConsul(agent, "GET", "/v1/agent/checks");
  return Object.values(value as Record<string, AgentCheck>).filter(({ Name }) => Name.endsWith(` at ${address}`));
}

/** Resolves once the agent has asked the server at `address`, and was told that it does not serve. */
async function refused(address: string): Promise<void> {
  for (;;) {
    const [check] = await checksOf(address);
    if (check?.Status === "critical" && /NOT_SERVING|didn't report service healthy/.test(check.Output)) return;
    await sleep(20);
  }
}

/** A process that serves, and knows of no registry. */
function spawnServer(port: number): ChildProcess {
  const module = fileURLToPath(new URL("../../src/server/index.ts", import.meta.url));
  const program = `import { createServer } from ${JSON.stringify(module)};
    console.log(await createServer({ region: "eu" }).listen({ port: ${port} }));`;
  return spawn(process.execPath, ["--input-type=module", "--eval", program], { stdio: ["ignore", "pipe", "inherit"] });
}
