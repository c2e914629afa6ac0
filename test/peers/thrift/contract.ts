/** The contract that peers.thrift says, by hand. */
import { z } from "zod";
import { bytes, field, type Handlers, rpc, scalar, service } from "../../../src/contract/index.ts";

const Shape = z.union([field(1, z.string()), field(2, z.number())]);
const Everything = z.object({
  yes: z.boolean(), int: z.int32(), large: z.int64(), real: scalar("double"), text: z.string(), data: bytes(),
  names: z.array(z.string()), counts: z.record(z.string(), z.int32()), flags: z.map(z.int64(), z.array(z.boolean())),
  colour: z.enum(["RED", "GREEN"]).meta({ numbers: { RED: 1, GREEN: 5 } }), shape: Shape, maybe: z.string().optional(),
  grid: z.array(z.array(z.int32())),
  get inner() {
    return field(20, Everything.optional()) as z.ZodOptional<z.ZodType>;
  },
}).meta({ id: "Everything" });

export const Greeter = service("peers.Greeter", {
  sayHello: rpc({ input: z.object({ name: z.string() }), output: z.string() }),
  ping: rpc({ input: z.object({}), output: z.object({}) }),
  add: rpc({ input: z.object({ a: z.int32(), b: z.int32() }), output: z.int32() }),
  echo: rpc({ input: z.object({ value: Everything }), output: Everything }),
  refuse: rpc({
    input: z.object({ why: z.string() }), output: z.string(),
    errors: { Refused: { code: "aborted", data: z.object({ why: z.string(), times: z.int32() }), id: 3 } },
  }),
  note: rpc({ input: z.object({ text: z.string() }), output: z.object({}), oneway: true }),
  notes: rpc({ input: z.object({}), output: z.array(z.string()) }),
});

export function greeterHandlers(): Handlers<typeof Greeter> {
  const notes: string[] = [];
  return {
    sayHello: ({ name }) => `Hello ${name}`,
    ping: () => ({}),
    add: ({ a, b }) => a + b,
    echo: ({ value }) => value,
    refuse: ({ why }) => {
      throw Greeter.methods.refuse.error("Refused", { why, times: 2 }, `refused: ${why}`);
    },
    note: ({ text }) => {
      notes.push(text);
      return {};
    },
    notes: () => notes.splice(0),
  };
}

export const everything = {
  yes: true, int: -2_147_483_648, large: 9_223_372_036_854_775_807n, real: -0.1, text: "naïve 👩‍👩‍👧 \"\\",
  data: Uint8Array.of(0, 255, 128, 7), names: ["", "a"], counts: { "": 0, key: -1 },
  flags: new Map([[-1n, [true, false]], [2n ** 40n, []]]), colour: "GREEN" as const, shape: 2.5,
  grid: [[1, -1], [], Array.from({ length: 20 }, (_, i) => i)],
};
