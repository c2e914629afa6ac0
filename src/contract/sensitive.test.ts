import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { isSensitiveAt, redactMessage } from "./sensitive.ts";
import { validator } from "./validate.ts";

const hidden = { sensitive: true };
const Account = z.object({
  id: z.string(), pin: z.string().meta(hidden).min(4),
  cards: z.array(z.object({ number: z.string().meta(hidden), label: z.string() })).optional(),
  owner: z.object({ name: z.string() }).meta(hidden).nullable().optional(),
  byName: z.record(z.string(), z.string().meta(hidden)).optional(),
  way: z.union([z.object({ mail: z.string().meta(hidden) }), z.object({ phone: z.string() })]).optional(),
});

test("messages are copied without what the contract marks", () => {
  assert.deepEqual(redactMessage(Account, {
    id: "a", pin: "1234", cards: [{ number: "4111", label: "x" }], owner: { name: "n" }, byName: { a: "b" },
    way: { mail: "m" },
  }), {
    id: "a", pin: "[redacted]", cards: [{ number: "[redacted]", label: "x" }], owner: "[redacted]",
    byName: { a: "[redacted]" }, way: { mail: "[redacted]" },
  });
  assert.equal(redactMessage({ "~standard": {} }, "as it is"), "as it is");
});

test("a place is known by its path", () => {
  for (const [path, is] of [
    [["id"], false], [["pin"], true], [["cards", 3, "number"], true], [["cards", 3, "label"], false],
    [["owner", "name"], true], [["byName", "x"], true], [["way", "mail"], true], [["constructor"], false],
  ] as const) assert.equal(isSensitiveAt(Account, path), is, path.join());
});

test("a complaint does not repeat what is marked", () => {
  const validate = validator(Account, "input");
  assert.throws(() => validate({ id: 3, pin: "123" }), (error: Error) =>
    /input\.id: .*number \(3\)/.test(error.message) && error.message.includes("input.pin: not valid") &&
    !error.message.includes("123"));
});
