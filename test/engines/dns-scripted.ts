/** A name server that says what a test tells it to, in a simulation: for timing, and for lies no real one tells. */
import type { EndpointAddress } from "../../src/core/endpoint.ts";
import type { RpcError } from "../../src/core/error.ts";
import type { Runtime } from "../../src/core/runtime.ts";
import { encodeName } from "../../src/discovery/dns/names.ts";
import { decodeMessage } from "../../src/discovery/dns/message.ts";
import { dnsDiscoveryOn } from "../../src/discovery/dns/discovery.ts";
import { createSimulation, type Simulation } from "../../src/runtime/sim/index.ts";

export const numbers = { A: 1, NS: 2, CNAME: 5, SOA: 6, TXT: 16, AAAA: 28, SRV: 33 } as const;
export type Type = keyof typeof numbers;

/** `[name, type, ttlSeconds, data]`; data as the type's own helper below makes it. */
export type Line = readonly [name: string, type: Type, ttlSeconds: number, data: Uint8Array];

export const a = (address: string): Uint8Array => Uint8Array.from(address.split(".").map(Number));
export const aaaa = (last: number): Uint8Array => Uint8Array.from([0x20, 1, 0xd, 0xb8, ...Array<number>(11).fill(0),
  last]);
export const name = (text: string): Uint8Array => encodeName(text);
export const srv = (priority: number, weight: number, port: number, target: string): Uint8Array =>
  Uint8Array.from([...[priority, weight, port].flatMap((n) => [n >> 8, n & 255]), ...encodeName(target)]);
export const txt = (...texts: readonly string[]): Uint8Array =>
  Uint8Array.from(texts.flatMap((text) => [text.length, ...new TextEncoder().encode(text)]));
export const soa = (minimumSeconds: number): Uint8Array => Uint8Array.from([
  ...encodeName("ns.test"), ...encodeName("hostmaster.test"), ...Array<number>(16).fill(0),
  0, 0, minimumSeconds >> 8, minimumSeconds & 255,
]);

export interface Reply {
  readonly code?: number;
  readonly isAuthoritative?: boolean;
  readonly isTruncated?: boolean;
  readonly answers?: readonly Line[];
  readonly authorities?: readonly Line[];
  readonly additionals?: readonly Line[];
  /** Lies. */
  readonly id?: number;
  readonly question?: readonly [name: string, type: Type];
  readonly counts?: readonly [answers: number, authorities: number, additionals: number];
}

/** The bytes of a reply to a question. */
export function replyBytes(id: number, asked: readonly [name: string, type: Type], reply: Reply): Uint8Array {
  const { answers = [], authorities = [], additionals = [] } = reply;
  const [question, type] = reply.question ?? asked;
  const flags = 0x8180 | (reply.isAuthoritative === true ? 0x400 : 0) | (reply.isTruncated === true ? 0x200 : 0) |
    (reply.code ?? 0);
  const counts = reply.counts ?? [answers.length, authorities.length, additionals.length];
  const head = [reply.id ?? id, flags, 1, ...counts].flatMap((n) => [n >> 8, n & 255]);
  const records = [...answers, ...authorities, ...additionals].flatMap(([owner, kind, ttl, data]) => [
    ...encodeName(owner), 0, numbers[kind], 0, 1, (ttl >>> 24) & 255, (ttl >> 16) & 255, (ttl >> 8) & 255, ttl & 255,
    data.length >> 8, data.length & 255, ...data,
  ]);
  return Uint8Array.from([...head, ...encodeName(question), 0, numbers[type], 0, 1, ...records]);
}

export interface Asked {
  readonly name: string;
  readonly type: Type;
  readonly atMs: number;
  readonly isStream: boolean;
  readonly isExtended: boolean;
}

/** Undefined is silence. */
export type Script = (asked: Asked) => Reply | readonly Reply[] | Uint8Array | undefined;

const typeNames = new Map<number, Type>(Object.entries(numbers).map(([key, number]) => [number, key as Type]));

/** Serves at port 53 of a host, by datagram and by stream; returns what it was asked, as it comes. */
export async function serve(runtime: Runtime, hostName: string, script: Script): Promise<Asked[]> {
  const heard: Asked[] = [];
  const answer = (bytes: Uint8Array, isStream: boolean, send: (reply: Uint8Array) => void): void => {
    const { id, question, additionals } = decodeMessage(bytes);
    const type = typeNames.get(question?.type ?? 0);
    if (question === undefined || type === undefined) throw new Error("not a question that the script knows");
    const asked = {
      name: question.name, type, atMs: runtime.clock.now(), isStream, isExtended: additionals.length > 0,
    };
    heard.push(asked);
    const reply = script(asked);
    if (reply === undefined) return;
    const all = reply instanceof Uint8Array || !Array.isArray(reply) ? [reply as Reply | Uint8Array] : reply as Reply[];
    for (const one of all) send(one instanceof Uint8Array ? one : replyBytes(id, [question.name, type], one));
  };
  const socket = await runtime.network.datagrams(`${hostName}:53`,
    (bytes, from) => answer(bytes, false, (reply) => socket.send(reply, from)));
  await runtime.network.listen(`${hostName}:53`, (stream) => ({
    received(bytes) {
      answer(bytes.subarray(2), true, (reply) => {
        stream.write(Uint8Array.from([reply.length >> 8, reply.length & 255, ...reply]));
      });
    },
    closed() {},
  }));
  return heard;
}

export interface Told {
  readonly atMs: number;
  readonly endpoints: readonly EndpointAddress[];
}

export interface Scene {
  readonly simulation: Simulation;
  readonly heard: Asked[];
  readonly told: Told[];
  readonly failures: RpcError[];
  readonly skipped: string[];
  /** Watches another time. */
  watch(service?: string): void;
  close(): Promise<void>;
}

/** A client that watches `service` by a server that follows the script. */
export async function scene(
  script: Script, options: Partial<Parameters<typeof dnsDiscoveryOn>[1]> = {}, service = "_geo._tcp.example.test",
): Promise<Scene> {
  const simulation = createSimulation({ seed: 5, link: { latencyMs: 1 } });
  const heard = await serve(simulation.host("ns"), "ns", script);
  const skipped: string[] = [];
  const discovery = dnsDiscoveryOn(simulation.host("client"), {
    servers: ["ns:53"], family: "ipv4",
    observer: {
      event(event, fields) {
        if (event === "discovery.skipped") skipped.push(`${String(fields["entry"])}: ${String(fields["why"])}`);
      },
    },
    ...options,
  });
  const told: Told[] = [];
  const failures: RpcError[] = [];
  const watch = (wanted = service): void => {
    discovery.watch(wanted, {
      snapshot: (endpoints) => told.push({ atMs: simulation.nowMs, endpoints }),
      failed: (error) => failures.push(error),
    });
  };
  watch();
  return { simulation, heard, told, failures, skipped, watch, close: () => discovery.close() };
}

/** Endpoints as short text: `address weight/priority`. */
export function brief(endpoints: readonly EndpointAddress[] | undefined): string[] {
  return (endpoints ?? []).map(({ address, weight, priority }) => `${address} ${weight}/${priority}`);
}
