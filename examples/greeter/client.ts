// The greeter's caller in TypeScript, over gRPC: node client.ts ADDRESS
import { createClient, grpc } from "../../src/index.ts";
import { Greeter } from "./contract.ts";

const greeter = createClient(Greeter, { address: process.argv[2] ?? "127.0.0.1:50051", protocol: grpc() });
console.log((await greeter.sayHello({ name: "TypeScript" })).message);
for await (const { message } of greeter.sayHelloStreamReply({ name: "TypeScript" })) console.log(message);
for await (const { message } of greeter.sayHelloBidiStream([{ name: "Ada" }, { name: "Grace" }])) console.log(message);
greeter.$.close();
