import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Ajv2020 } from "ajv/dist/2020.js";
import { Context, type MethodInfo, nextMethodOrdinal } from "../core/index.ts";
import { nodeRuntime } from "../runtime/node/index.ts";
import {
  apiKeys, hashApiKey, readSecurityConfig, type SecurityConfig, securityFrom, securityJsonSchema,
} from "./index.ts";
import { refuseOption } from "./read-rules.ts";

const folder = mkdtempSync(join(tmpdir(), "meridian-security-config-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const read = (value: unknown): SecurityConfig => readSecurityConfig(value, ["security"], refuseOption);

const whole = {
  mtls: { trustDomains: ["prod.example"] },
  jwt: { issuer: "https://login.example", audience: "calc", jwks: { url: "https://login.example/keys" } },
  apiKeys: { file: join(folder, "keys.yaml") },
  token: { env: "MERIDIAN_TEST_TOKEN", name: "ops" },
  rules: [{ name: "all", who: [{ kind: "jwt" }, { spiffe: "spiffe://prod.example/*" }], claims: { level: 3 } }],
  trust: {
    gateways: [{ who: { spiffe: "spiffe://prod.example/gateway" }, regions: ["eu"] }],
    regions: [{ who: { trustDomain: "prod.example" }, region: "eu" }],
  },
  audit: { file: join(folder, "audit.jsonl"), maxPerSecond: 10 },
  requests: { perSecond: 10, burst: 20 },
  endStreamsOnExpiry: false,
};

test("a section is read, described to editors, and made a guard", () => {
  const validate = new Ajv2020({ strict: false }).compile(securityJsonSchema);
  assert.ok(validate(whole), JSON.stringify(validate.errors));
  const config = read(whole);
  assert.deepEqual(config.jwt, [{ ...whole.jwt, issuer: ["https://login.example"], audience: ["calc"] }]);
  writeFileSync(whole.apiKeys.file, "keys: []\n");
  const guard = securityFrom(config)(nodeRuntime, {});
  guard.close?.();
  assert.ok(!validate({ rules: [{ effect: "allow" }] }));
});

for (const [value, why] of [
  [{ mtl: true }, /unknown key "mtl".*mtls/], [{ jwt: {} }, /security\.jwt: jwt needs "issuer"/],
  [{ jwt: { issuer: "i", audience: "a", jwks: {} } }, /jwks: expected either url or file/],
  [{ token: { name: "x" } }, /either file or env/], [{ token: { file: "a", env: "b" } }, /either file or env/],
  [{ rules: [{ name: "a" }] }, /asks who calls, and nothing here tells/],
  [{ jwt: whole.jwt, trust: whole.trust }, /give mtls: true/], [{ requests: { perSecond: 0 } }, /perSecond/],
  [{ audit: { file: 3 } }, /audit\.file/], ["all", /expected security, found/],
] as const) {
  test(`refused: ${JSON.stringify(value)}`, () => {
    assert.throws(() => read(value), { code: "invalid_argument", message: why });
  });
}

const method: MethodInfo = {
  service: "a.B", name: "c", path: "a.B/c", wireName: "c", kind: "unary", idempotent: false, criticality: "default",
  timeoutMs: undefined, routeKey: undefined, ordinal: nextMethodOrdinal(),
};

test("API keys are read again when their file changes; one that is wrong leaves those of before", async () => {
  const file = join(folder, "live.yaml");
  const write = (name: string, key: string): void =>
    writeFileSync(file, `keys:\n  - name: ${name}\n    sha256: ${hashApiKey(key)}\n`);
  write("first", "key-1");
  const events: string[] = [];
  const keys = apiKeys({ file })(nodeRuntime, {
    event: (name, fields) => void events.push(`${name} ${String(fields["error"])}`),
  });
  const nameOf = async (key: string): Promise<string | undefined> => {
    const found = await keys.identify(new Context(method, 0, Infinity, { metadata: { "x-api-key": key } }));
    return found !== undefined && "name" in found ? found.name : undefined;
  };
  const until = async (key: string, name: string | undefined): Promise<void> => {
    const untilMs = Date.now() + 20_000;
    while (await nameOf(key) !== name && Date.now() < untilMs) await sleep(20);
    assert.equal(await nameOf(key), name);
  };
  try {
    await until("key-1", "first");
    write("second", "key-2");
    await until("key-2", "second");
    assert.equal(await nameOf("key-1"), undefined);
    writeFileSync(file, "keys:\n  - name: third\n    sha256: key-3-itself\n");
    const untilMs = Date.now() + 20_000;
    while (!events.some((one) => one.startsWith("auth.keys.failed")) && Date.now() < untilMs) await sleep(20);
    const told = events.find((one) => one.startsWith("auth.keys.failed")) ?? "";
    assert.match(told, /live\.yaml:3:\d+: .*64 hexadecimal digits/);
    assert.ok(!told.includes("key-3-itself"));
    assert.equal(await nameOf("key-2"), "second");
  } finally {
    keys.close?.();
  }
});
