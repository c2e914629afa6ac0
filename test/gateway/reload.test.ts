// A file of rules is edited while calls go through: none fails, and each goes where old or new rules say.
import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import { createClientOn } from "../../src/client/index.ts";
import { rpc, service } from "../../src/contract/index.ts";
import { memoryDiscovery } from "../../src/discovery/index.ts";
import { createGatewayOn, createRules, rulesFromFile } from "../../src/gateway/index.ts";
import { createFileSource, nodeRuntime } from "../../src/runtime/node/index.ts";
import { createServerOn } from "../../src/server/index.ts";

const Color = service("color.v1.Color", {
  ask: rpc({ input: z.object({}), output: z.object({ color: z.string() }) }),
});

test("a file edited twenty times under load, half of the time badly", async () => {
  const directory = mkdtempSync(join(tmpdir(), "meridian-rules-"));
  const path = join(directory, "rules.yaml");
  const write = (text: string): void => {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  };
  const to = (color: string): string =>
    `rules:\n  - name: color\n    match: { service: "color.v1.*" }\n    to: { attributes: { color: ${color} } }\n`;
  const discovery = memoryDiscovery();
  const servers = await Promise.all(["blue", "green"].map(async (color) => {
    const server = createServerOn(nodeRuntime, { region: "eu", registry: discovery, attributes: { color } })
      .implement(Color, { ask: () => ({ color }) });
    await server.listen();
    return server;
  }));
  const events: string[] = [];
  write(to("blue"));
  const rules = createRules();
  const file = rulesFromFile(createFileSource(path, { settleMs: 2, pollMs: 20 }), rules, {
    event: (name, fields) => void events.push(`${name} ${JSON.stringify(fields["error"])}`),
  });
  const gateway = createGatewayOn(nodeRuntime, { region: "eu", discovery, rules });
  const client = createClientOn(nodeRuntime, Color, { address: await gateway.listen(), retry: false });
  const until = new AbortController();
  try {
    await file.loaded;
    let color = "blue";
    let calls = 0;
    const lane = async (): Promise<void> => {
      while (!until.signal.aborted) {
        const before = rules.version;
        const answer = await client.ask({});
        calls++;
        // A call during which the rules changed may obey either.
        if (before === rules.version) assert.equal(answer.color, before % 2 === 1 ? "blue" : "green");
        await sleep(1);
      }
    };
    const lanes = Promise.all(Array.from({ length: 4 }, lane));
    const called = async (count: number): Promise<void> => {
      const enough = calls + count;
      for (; ; await sleep(2)) if (calls >= enough || until.signal.aborted) return;
    };
    const heard = async (count: number): Promise<void> => {
      const patience = AbortSignal.timeout(60_000);
      for (; events.length < count; await sleep(2)) patience.throwIfAborted();
    };
    for (let i = 0; i < 10; i++) {
      const seen = events.length;
      color = color === "blue" ? "green" : "blue";
      write(to(color));
      await heard(seen + 1);
      write(to(color).replace("attributes", "atributes"));
      await heard(seen + 2);
      assert.match(events[seen + 1] as string, /^rules\.refused .*rules\.yaml:4:11: .*did you mean \\"attributes\\"/);
      // Calls of each color, however slow the machine is.
      await Promise.race([lanes, called(12)]);
    }
    until.abort();
    await lanes;
    assert.equal(rules.version, 11);
    assert.ok(calls > 100, `${calls} calls`);
  } finally {
    until.abort();
    file.close();
    client.$.close();
    await gateway.close(1_000);
    await Promise.all(servers.map((server) => server.close(1_000)));
    rmSync(directory, { recursive: true });
  }
});
