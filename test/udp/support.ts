/** What tests of the UDP wire share: a service, networks that duplicate and record, and a pretence of TLS. */
import * as z from "zod";
import { rpc, service } from "../../src/contract/index.ts";
import type { ByteStream, DatagramSocket, Network, Runtime, Security } from "../../src/core/index.ts";

export const Notes = service("notes.v1.Notes", {
  tell: rpc({ input: z.object({ n: z.int32() }), output: z.object({}), oneway: true }),
  ask: rpc({ input: z.object({ n: z.int32() }), output: z.object({ n: z.int32() }), idempotent: true }),
  slow: rpc({ input: z.object({ ms: z.int32() }), output: z.object({}), idempotent: true }),
  large: rpc({ input: z.object({ size: z.int32() }), output: z.object({ text: z.string() }), idempotent: true }),
  keyed: rpc({ input: z.object({}), output: z.object({ key: z.string() }), idempotent: "keyed" }),
});

/** A runtime whose datagrams pass `passes`, which says how often each one leaves; `heard` sees what arrives. */
export function tapped(runtime: Runtime, tap: {
  readonly passes?: (bytes: Uint8Array, to: string) => number;
  readonly heard?: (bytes: Uint8Array, from: string) => void;
}): Runtime {
  const network: Network = {
    ...runtime.network,
    async datagrams(address, receive): Promise<DatagramSocket> {
      const socket = await runtime.network.datagrams(address, (bytes, from) => {
        tap.heard?.(bytes, from);
        receive(bytes, from);
      });
      return {
        address: socket.address, maxBytes: socket.maxBytes, close: () => socket.close(),
        send(bytes, to) {
          const times = tap.passes?.(bytes, to) ?? 1;
          for (let i = 0; i < times; i++) socket.send(bytes, to);
          return true;
        },
      };
    },
  };
  return { ...runtime, network };
}

/** Stands for TLS in the simulator, which has none: its streams say that they are secured, and are not. */
export function pretence(protocols: readonly string[] = []): Security {
  return { kind: "pretence", protocols, offering: (names) => pretence(names) };
}

/** A runtime on which `pretence()` is taken for TLS. */
export function pretending(runtime: Runtime): Runtime {
  const secured = (stream: ByteStream, protocol: string | undefined): ByteStream =>
    new Proxy(stream, { get: (target, name) => {
      if (name === "secure") return { protocol, peerSubject: undefined };
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value as () => unknown).bind(target) : value;
    } });
  const { network } = runtime;
  return { ...runtime, network: {
    ...network,
    connect: (address, sink, security) => {
      const stream = network.connect(address, sink);
      return security === undefined ? stream : secured(stream, security.protocols[0]);
    },
    listen: (address, accept, security) => network.listen(address, security === undefined
      ? accept : (stream) => accept(secured(stream, undefined))),
  } };
}
