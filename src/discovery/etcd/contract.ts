/**
 * The contract of etcd's gRPC API, version 3: the calls and fields that the driver needs, under the names and numbers
 * of etcd's own `rpc.proto` and `kv.proto` (etcd 3.4 and later). What is left out is unknown to the codec, and skipped.
 */
import * as z from "zod";
import { bytes, field, oneof, rpc, service } from "../../contract/index.ts";

/** With every reply: whose it is, and the revision of the store it tells of. */
const header = z.object({
  clusterId: field(1, z.uint64()),
  memberId: field(2, z.uint64()),
  revision: field(3, z.int64()),
}).meta({ id: "ResponseHeader" });

const keyValue = z.object({
  key: field(1, bytes()),
  modRevision: field(3, z.int64()),
  value: field(5, bytes()),
  lease: field(6, z.int64()),
}).meta({ id: "mvccpb.KeyValue" });

export type KeyValue = z.infer<typeof keyValue>;

const rangeRequest = z.object({
  key: field(1, bytes()),
  /** The first key after the range; empty for the one key alone. */
  rangeEnd: field(2, bytes()),
  limit: field(3, z.int64()),
  /** 0 for the newest. */
  revision: field(4, z.int64()),
  /** Whether the member may answer from its own memory, which may be behind, rather than ask its leader. */
  serializable: field(7, z.boolean()),
  keysOnly: field(8, z.boolean()),
}).meta({ id: "RangeRequest" });

const rangeResponse = z.object({
  header: field(1, header),
  kvs: field(2, z.array(keyValue)),
  more: field(3, z.boolean()),
  count: field(4, z.int64()),
}).meta({ id: "RangeResponse" });

export type RangeResponse = z.infer<typeof rangeResponse>;

const putRequest = z.object({
  key: field(1, bytes()),
  value: field(2, bytes()),
  lease: field(3, z.int64()),
}).meta({ id: "PutRequest" });

/** Only the comparison that is used: EQUAL, which is 0, of the revision in which a key came into being. */
const compare = z.object({
  /** 1 is CREATE: the revision in which the key came into being; 0 if there is no such key. */
  target: field(2, z.int32()),
  key: field(3, bytes()),
  /** What it must be; without it, 0. */
  createRevision: field(5, z.int64().optional()),
}).meta({ id: "Compare" });

const requestOp = z.object({
  request: oneof({ put: field(2, putRequest) }),
}).meta({ id: "RequestOp" });

export const Kv = service("etcdserverpb.KV", {
  range: rpc({ input: rangeRequest, output: rangeResponse, idempotent: true }),
  put: rpc({ input: putRequest, output: z.object({ header: field(1, header) }), idempotent: true }),
  txn: rpc({
    input: z.object({ compare: field(1, z.array(compare)), success: field(2, z.array(requestOp)) }),
    output: z.object({ header: field(1, header), succeeded: field(2, z.boolean()) }),
  }),
});

const watchRequest = z.object({
  request: oneof({
    create: field(1, z.object({
      key: field(1, bytes()),
      rangeEnd: field(2, bytes()),
      startRevision: field(3, z.int64()),
      progressNotify: field(4, z.boolean()),
      watchId: field(7, z.int64()),
      /** Lets the server tell a large change in several replies. */
      fragment: field(8, z.boolean()),
    })),
    cancel: field(2, z.object({ watchId: field(1, z.int64()) })),
  }),
});

export type WatchRequest = z.input<typeof watchRequest>;

const event = z.object({
  /** 0 is PUT, 1 is DELETE. */
  type: field(1, z.int32()),
  kv: field(2, keyValue),
}).meta({ id: "mvccpb.Event" });

export type WatchEvent = z.infer<typeof event>;

const watchResponse = z.object({
  header: field(1, header),
  watchId: field(2, z.int64()),
  created: field(3, z.boolean()),
  canceled: field(4, z.boolean()),
  compactRevision: field(5, z.int64()),
  cancelReason: field(6, z.string()),
  /** More of the same change follows. */
  fragment: field(7, z.boolean()),
  events: field(11, z.array(event)),
});

export type WatchResponse = z.infer<typeof watchResponse>;

export const Watch = service("etcdserverpb.Watch", {
  watch: rpc({ kind: "bidi_stream", input: watchRequest, output: watchResponse }),
});

const leaseId = z.int64();

export const Lease = service("etcdserverpb.Lease", {
  leaseGrant: rpc({
    input: z.object({ ttl: field(1, z.int64()) }),
    output: z.object({ header: field(1, header), id: field(2, leaseId), ttl: field(3, z.int64()) }),
  }),
  leaseRevoke: rpc({
    input: z.object({ id: field(1, leaseId) }), output: z.object({ header: field(1, header) }), idempotent: true,
  }),
  /** A TTL of 0 says that there is no such lease. */
  leaseKeepAlive: rpc({
    kind: "bidi_stream",
    input: z.object({ id: field(1, leaseId) }),
    output: z.object({ header: field(1, header), id: field(2, leaseId), ttl: field(3, z.int64()) }),
  }),
});

export const Auth = service("etcdserverpb.Auth", {
  authenticate: rpc({
    input: z.object({ name: field(1, z.string()), password: field(2, z.string()) }),
    output: z.object({ header: field(1, header), token: field(2, z.string()) }),
  }),
});
