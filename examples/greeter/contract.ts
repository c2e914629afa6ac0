// The contract of helloworld.proto; `meridian export` gives the .proto back.
import * as z from "zod";
import { rpc, service } from "../../src/index.ts";

/** The request message containing the user's name. */
export const HelloRequest = z.object({
  name: z.string(),
}).meta({ id: "HelloRequest" });

/** The response message containing the greetings */
export const HelloReply = z.object({
  message: z.string(),
}).meta({ id: "HelloReply" });

/** The greeting service definition. */
export const Greeter = service("helloworld.Greeter", {
  sayHello: rpc({
    description: "Sends a greeting",
    input: HelloRequest,
    output: HelloReply,
  }),
  sayHelloStreamReply: rpc({ kind: "server_stream", input: HelloRequest, output: HelloReply }),
  sayHelloBidiStream: rpc({ kind: "bidi_stream", input: HelloRequest, output: HelloReply }),
});

/** What the .proto file says beyond the types, for `meridian export`. */
export const protoFile = {
  path: "helloworld.proto",
  package: "helloworld",
  options: {
    java_package: "io.grpc.examples.helloworld",
    java_outer_classname: "HelloWorldProto",
    objc_class_prefix: "HLW",
    java_multiple_files: true,
  },
};
