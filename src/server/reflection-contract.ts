/** The contracts of `grpc/reflection/v1/reflection.proto` and of its elder twin, `v1alpha`. */
import * as z from "zod";
import { bytes, field, oneof, rpc, service } from "../contract/index.ts";

const extensionRequest = z.object({ containingType: z.string(), extensionNumber: z.int32() })
  .meta({ id: "ExtensionRequest" });

const request = z.object({
  host: z.string(),
  messageRequest: oneof({
    fileByFilename: field(3, z.string()),
    fileContainingSymbol: field(4, z.string()),
    fileContainingExtension: field(5, extensionRequest),
    allExtensionNumbersOfType: field(6, z.string()),
    listServices: field(7, z.string()),
  }),
}).meta({ id: "ServerReflectionRequest" });

const response = z.object({
  validHost: z.string(),
  originalRequest: request.optional(),
  messageResponse: oneof({
    fileDescriptorResponse: field(4, z.object({ fileDescriptorProto: z.array(bytes()) })
      .meta({ id: "FileDescriptorResponse" })),
    allExtensionNumbersResponse: field(5, z.object({ baseTypeName: z.string(), extensionNumber: z.array(z.int32()) })
      .meta({ id: "ExtensionNumberResponse" })),
    listServicesResponse: field(6, z.object({
      service: z.array(z.object({ name: z.string() }).meta({ id: "ServiceResponse" })),
    }).meta({ id: "ListServiceResponse" })),
    errorResponse: field(7, z.object({ errorCode: z.int32(), errorMessage: z.string() }).meta({ id: "ErrorResponse" })),
  }),
}).meta({ id: "ServerReflectionResponse" });

export type ReflectionRequest = z.infer<typeof request>;
export type ReflectionResponse = z.infer<typeof response>;

const methods = { serverReflectionInfo: rpc({ kind: "bidi_stream", input: request, output: response }) };

export const ServerReflection = service("grpc.reflection.v1.ServerReflection", methods);
/** The same under the name that older tools ask for. */
export const ServerReflectionAlpha = service("grpc.reflection.v1alpha.ServerReflection", methods);
