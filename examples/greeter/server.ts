// The greeter, served on one port; ends with its standard input.
import { createServer } from "../../src/index.ts";
import { Greeter } from "./contract.ts";

const server = createServer();
server.implement(Greeter, {
  sayHello: ({ name }) => ({ message: `Hello, ${name}!` }),
  async *sayHelloStreamReply({ name }) {
    for (const greeting of ["Hello", "Bonjour", "Ciao"]) yield { message: `${greeting}, ${name}!` };
  },
  async *sayHelloBidiStream(requests) {
    for await (const { name } of requests) yield { message: `Hello again, ${name}!` };
  },
});
console.log(await server.listen({ port: Number(process.argv[2] ?? 50051) }));
process.stdin.resume().once("end", () => void server.close());
