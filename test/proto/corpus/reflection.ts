// The contract of reflection.proto; `meridian export` gives the .proto back.
import * as z from "zod";
import { bytes, field, oneof, rpc, service } from "../../../src/contract/index.ts";

export const ExtensionRequest = z.object({
  containingType: z.string().describe(
    "Fully-qualified type name. The format should be <package>.<type>",
  ),
  extensionNumber: z.int32(),
}).meta({ id: "ExtensionRequest" });

/** The message sent by the client when calling ServerReflectionInfo method. */
export const ServerReflectionRequest = z.object({
  host: z.string(),
  messageRequest: oneof({
    fileByFilename: field(3, z.string()).describe("Find a proto file by the file name."),
    fileContainingSymbol: z.string(),
    fileContainingExtension: ExtensionRequest,
    allExtensionNumbersOfType: z.string(),
    listServices: z.string(),
  }),
}).meta({ id: "ServerReflectionRequest" });

export const FileDescriptorResponse = z.object({
  fileDescriptorProto: z.array(bytes()).describe("Serialized FileDescriptorProto messages."),
}).meta({ id: "FileDescriptorResponse" });

export const ExtensionNumberResponse = z.object({
  baseTypeName: z.string(),
  extensionNumber: z.array(z.int32()),
}).meta({ id: "ExtensionNumberResponse" });

export const ServiceResponse = z.object({
  name: z.string(),
}).meta({ id: "ServiceResponse" });

export const ListServiceResponse = z.object({
  service: z.array(ServiceResponse),
}).meta({ id: "ListServiceResponse" });

export const ErrorResponse = z.object({
  errorCode: z.int32().describe("This field uses the error codes defined in grpc::StatusCode."),
  errorMessage: z.string(),
}).meta({ id: "ErrorResponse" });

export const ServerReflectionResponse = z.object({
  validHost: z.string(),
  originalRequest: ServerReflectionRequest.optional(),
  messageResponse: oneof({
    fileDescriptorResponse: field(4, FileDescriptorResponse),
    allExtensionNumbersResponse: ExtensionNumberResponse,
    listServicesResponse: ListServiceResponse,
    errorResponse: ErrorResponse,
  }),
}).meta({ id: "ServerReflectionResponse" });

export const ServerReflection = service("grpc.reflection.v1.ServerReflection", {
  serverReflectionInfo: rpc({
    description:
      "The reflection service is structured as a bidirectional stream, ensuring\n" +
      "all related requests go to a single server.",
    kind: "bidi_stream",
    input: ServerReflectionRequest,
    output: ServerReflectionResponse,
  }),
});

/** What the .proto file says beyond the types, for `meridian export`. */
export const protoFile = {
  path: "reflection.proto",
  package: "grpc.reflection.v1",
  options: {
    java_package: "io.grpc.reflection.v1",
    java_outer_classname: "ServerReflectionProto",
    go_package: "google.golang.org/grpc/reflection/grpc_reflection_v1",
    java_multiple_files: true,
  },
};
