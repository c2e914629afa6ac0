/** The kinds of active probes, each by a connection of its own: a ping, `grpc.health.v1`, an HTTP path, a TCP port. */
import type { Connect, Connection } from "../core/connection.ts";
import { Context } from "../core/context.ts";
import { describeEndpoint, type EndpointAddress } from "../core/endpoint.ts";
import { expected, RpcError } from "../core/error.ts";
import { createMetadata } from "../core/metadata.ts";
import { type MethodInfo, nextMethodOrdinal } from "../core/method.ts";
import type { Probe } from "../core/probe.ts";
import type { Runtime, Security } from "../core/runtime.ts";
import type { MethodCoders } from "../contract/coders.ts";
import { http1Connect, type HttpConnection, requestHead } from "../http/index.ts";
import { grpc } from "../protocol/grpc/index.ts";
import { Cursor } from "../wire/cursor.ts";
import { connectProbe } from "./connect-probe.ts";

/** What all kinds may be told. */
export interface ProbeTarget {
  /** Another port of the same host, if health is served beside the service. Default: the endpoint's address. */
  readonly port?: number | undefined;
  /** How the probe's connections are secured. Default: not at all. */
  readonly tls?: Security | undefined;
}

export interface GrpcHealthOptions extends ProbeTarget {
  /** The service to ask after; "" for the server as a whole. Default "". */
  readonly service?: string | undefined;
}

export interface HttpProbeOptions extends ProbeTarget {
  /** Default `/healthz`. */
  readonly path?: string | undefined;
  /** The statuses that mean well: one, or the first and the last of a range. Default 200 to 399. */
  readonly status?: number | readonly [number, number] | undefined;
  /** The `host` that is asked for. Default: the address. */
  readonly host?: string | undefined;
}

/** Opens a connection of `connect`, which must make a new one each time, and asks for a sign of life on it. */
export function pingProbe(runtime: Runtime, connect: Connect): Probe {
  return connectProbe(runtime, connect);
}

/** Whether the port accepts connections: says nothing of who listens there. */
export function tcpProbe(runtime: Runtime, options: ProbeTarget = {}): Probe {
  return (endpoint, timeoutMs) => attempt(runtime, endpoint, timeoutMs, (end) => {
    const stream = runtime.network.connect(addressAt(endpoint, options.port), {
      opened: () => end(undefined),
      received: () => undefined,
      closed: (error) => end(error?.message ?? "closed the connection at once"),
    }, options.tls);
    return () => stream.destroy();
  });
}

/** Whether `GET path` is answered with one of the statuses that mean well, over HTTP/1.1. Bodies are not read. */
export function httpProbe(runtime: Runtime, options: HttpProbeOptions = {}): Probe {
  const { path = "/healthz", status = [200, 399], tls } = options;
  const [from, to] = typeof status === "number" ? [status, status] : status;
  if (!path.startsWith("/") || /[\s\0]/.test(path)) {
    throw new RpcError("invalid_argument", `the probe's path is ${JSON.stringify(path)}: write one that begins with /`);
  }
  const connect = http1Connect({ security: tls });
  return (endpoint, timeoutMs) => attempt(runtime, endpoint, timeoutMs, (end) => {
    const address = addressAt(endpoint, options.port);
    const head = requestHead("GET", path, tls === undefined ? "http" : "https", options.host ?? address,
      createMetadata({ "user-agent": "meridian-probe" }));
    const connection: HttpConnection = connect(runtime, address, {
      opened: () => void connection.request(head, true, {
        head: (answer) => end(answer.status >= from && answer.status <= to
          ? undefined
          : `answered GET ${path} with ${answer.status}`),
        data: () => undefined,
        trailers: () => undefined,
        writable: () => undefined,
        failed: (error) => end(error.message),
      }),
      available: () => undefined,
      draining: () => undefined,
      closed: (error) => end(error?.message ?? "closed the connection at once"),
      pinged: () => undefined,
    });
    return () => connection.abort(expected("cancelled", "the probe is over"));
  });
}

/** Whether the standard health service says SERVING of a service (grpc.health.v1, Check). */
export function grpcHealthProbe(runtime: Runtime, options: GrpcHealthOptions = {}): Probe {
  const { service = "", tls } = options;
  const connect = grpc().connector({ coders: () => healthCoders, tls, compressions: [] });
  const subject = service === "" ? "the server" : service;
  return (endpoint, timeoutMs) => attempt(runtime, endpoint, timeoutMs, (end) => {
    const ask = async (connection: Connection): Promise<void> => {
      const nowMs = runtime.clock.now();
      const context = new Context(check, nowMs, nowMs + timeoutMs);
      try {
        const status = await connection.call(service, context, { attemptEnded: () => undefined }) as number;
        end(status === serving ? undefined : `says of ${subject}: ${statusNames[status] ?? `status ${status}`}`);
      } catch (error) {
        end(RpcError.from(error).message);
      }
    };
    const connection: Connection = connect(runtime, addressAt(endpoint, options.port), {
      opened: () => void ask(connection),
      draining: (why) => end(`is draining: ${why}`),
      closed: (error) => end(error?.message ?? "closed the connection at once"),
      pinged: () => undefined,
      reported: () => undefined,
    });
    return () => connection.abort(expected("cancelled", "the probe is over"));
  });
}

/** Runs one probe to its end: `start` begins it and returns what ends it early; `end` is heard once. */
function attempt(
  runtime: Runtime, endpoint: EndpointAddress, timeoutMs: number,
  start: (end: (failure: string | undefined) => void) => () => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let isOver = false;
    let stop: (() => void) | undefined;
    const end = (failure: string | undefined): void => {
      if (isOver) return;
      isOver = true;
      timer.cancel();
      stop?.();
      if (failure === undefined) resolve();
      else reject(expected("unavailable", `${describeEndpoint(endpoint)} ${failure}`, { phase: "connect" }));
    };
    const timer = runtime.clock.after(timeoutMs, () => end(`did not answer within ${timeoutMs} ms`)).unref();
    try {
      stop = start(end);
      if (isOver) stop();
    } catch (error) {
      end(RpcError.from(error).message);
    }
  });
}

function addressAt({ address }: EndpointAddress, port: number | undefined): string {
  return port === undefined ? address : address.replace(/:\d+$/, `:${port}`);
}

const serving = 1;
const statusNames = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

const check: MethodInfo = {
  service: "grpc.health.v1.Health", name: "check", path: "grpc.health.v1.Health/check", wireName: "Check",
  kind: "unary", idempotent: true, criticality: "critical", timeoutMs: undefined, routeKey: undefined,
  ordinal: nextMethodOrdinal(),
};

/** `HealthCheckRequest { string service = 1 }` and `HealthCheckResponse { ServingStatus status = 1 }`, by hand. */
const healthCoders: MethodCoders = {
  codec: "proto",
  request: {
    encode(value, writer) {
      const bytes = new TextEncoder().encode(value as string);
      if (bytes.length === 0) return;
      writer.writeByte(1 << 3 | 2);
      writer.writeVarint(bytes.length);
      writer.writeBytes(bytes);
    },
    decode: () => "",
  },
  response: {
    encode: () => undefined,
    decode(bytes, start, end) {
      const cursor = new Cursor().over(bytes, start, end);
      let status = 0;
      while (!cursor.atEnd) {
        const tag = cursor.varint();
        if ((tag & 7) === 0) {
          const value = cursor.varint();
          if (tag >> 3 === 1) status = value;
        } else if ((tag & 7) === 2) {
          cursor.run(end - start);
        } else {
          throw new RpcError("internal", "the health service's answer is no HealthCheckResponse");
        }
      }
      return status;
    },
  },
  error: () => undefined,
};
