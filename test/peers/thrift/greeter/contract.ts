// The contract of greeter.thrift; `meridian export --to thrift` gives the .thrift back.
import * as z from "zod";
import { rpc, service } from "../../../../src/contract/index.ts";

export const Tongue = z.enum(["ENGLISH", "FRENCH", "GERMAN"]).meta({
  id: "Tongue",
  numbers: {
    ENGLISH: 1,
    FRENCH: 2,
    GERMAN: 3,
  },
});

export const HelloRequest = z.object({
  name: z.string(),
  tongue: Tongue.default("ENGLISH"),
  titles: z.array(z.string()),
}).meta({ id: "HelloRequest" });

export const HelloReply = z.object({
  message: z.string(),
  times: z.int64(),
}).meta({ id: "HelloReply" });

export const NobodyThere = z.object({
  reason: z.string(),
}).meta({ id: "NobodyThere" });

export const Greeter = service("greeter.Greeter", {
  ping: rpc({ input: z.object({}), output: z.object({}) }),
  sayHello: rpc({
    description: "The one-line greeting.",
    input: z.object({ name: z.string() }),
    output: z.string(),
  }),
  greet: rpc({ input: z.object({ request: HelloRequest }), output: HelloReply, errors: { NobodyThere } }),
  wave: rpc({ input: z.object({ name: z.string() }), output: z.object({}), oneway: true }),
  waved: rpc({ input: z.object({}), output: z.array(z.string()).meta({ thrift: "set" }) }),
});
