// The contract of eliza.proto; `meridian export` gives the .proto back.
import * as z from "zod";
import { rpc, service } from "../../../src/contract/index.ts";

/** SayRequest is a single-sentence request. */
export const SayRequest = z.object({
  sentence: z.string(),
}).meta({ id: "SayRequest" });

/** SayResponse is a single-sentence response. */
export const SayResponse = z.object({
  sentence: z.string(),
}).meta({ id: "SayResponse" });

export const ConverseRequest = z.object({
  sentence: z.string(),
}).meta({ id: "ConverseRequest" });

export const ConverseResponse = z.object({
  sentence: z.string(),
}).meta({ id: "ConverseResponse" });

export const IntroduceRequest = z.object({
  name: z.string(),
}).meta({ id: "IntroduceRequest" });

export const IntroduceResponse = z.object({
  sentence: z.string(),
}).meta({ id: "IntroduceResponse" });

/** ElizaService provides a way to talk to Eliza, a port of the DOCTOR script for Joseph Weizenbaum's ELIZA. */
export const ElizaService = service("connectrpc.eliza.v1.ElizaService", {
  say: rpc({
    description: "Say is a unary RPC. Eliza responds to the prompt with a single sentence.",
    input: SayRequest,
    output: SayResponse,
    safe: true,
  }),
  converse: rpc({
    description:
      "Converse is a bidirectional RPC. The caller may exchange multiple\n" +
      "back-and-forth messages with Eliza over a long-lived connection.",
    kind: "bidi_stream",
    input: ConverseRequest,
    output: ConverseResponse,
  }),
  introduce: rpc({
    description:
      "Introduce is a server streaming RPC. Given the caller's name, Eliza\n" +
      "returns a stream of sentences to introduce itself.",
    kind: "server_stream",
    input: IntroduceRequest,
    output: IntroduceResponse,
  }),
});
