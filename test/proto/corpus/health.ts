// The contract of health.proto; `meridian export` gives the .proto back.
import * as z from "zod";
import { openEnum, rpc, service } from "../../../src/contract/index.ts";

export const HealthCheckRequest = z.object({
  service: z.string(),
}).meta({ id: "HealthCheckRequest" });

export const HealthCheckResponseServingStatus = openEnum({
  UNKNOWN: 0,
  SERVING: 1,
  NOT_SERVING: 2,
  /** Used only by the Watch method. */
  SERVICE_UNKNOWN: 3,
}).meta({ id: "HealthCheckResponse.ServingStatus" });

export const HealthCheckResponse = z.object({
  status: HealthCheckResponseServingStatus,
}).meta({ id: "HealthCheckResponse" });

export const HealthListRequest = z.object({}).meta({ id: "HealthListRequest" });

export const HealthListResponse = z.object({
  statuses: z.record(z.string(), HealthCheckResponse).describe(
    "statuses contains all the services and their respective status.",
  ),
}).meta({ id: "HealthListResponse" });

/** Health is gRPC's mechanism for checking whether a server is able to handle RPCs. */
export const Health = service("grpc.health.v1.Health", {
  check: rpc({ input: HealthCheckRequest, output: HealthCheckResponse }),
  list: rpc({ input: HealthListRequest, output: HealthListResponse }),
  watch: rpc({ kind: "server_stream", input: HealthCheckRequest, output: HealthCheckResponse }),
});

/** What the .proto file says beyond the types, for `meridian export`. */
export const protoFile = {
  path: "health.proto",
  package: "grpc.health.v1",
  options: {
    java_package: "io.grpc.health.v1",
    java_outer_classname: "HealthProto",
    go_package: "google.golang.org/grpc/health/grpc_health_v1",
    objc_class_prefix: "GrpcHealthV1",
    csharp_namespace: "Grpc.Health.V1",
    java_multiple_files: true,
  },
};
