/** gRPC's media types: `application/grpc`, whose codec is Protobuf, and `application/grpc+NAME`. */

export const grpcContentType = "application/grpc";

/** The codec that a media type (without parameters) names; undefined for one that is not gRPC's. */
export function grpcCodec(type: string): string | undefined {
  if (!type.startsWith(grpcContentType)) return undefined;
  const suffix = type.slice(grpcContentType.length);
  if (suffix === "") return "proto";
  return suffix.length > 1 && suffix.startsWith("+") ? suffix.slice(1) : undefined;
}

/** The media type of messages of a codec. Protobuf's is the one that every server takes. */
export function grpcContentTypeOf(codec: string): string {
  return codec === "proto" ? grpcContentType : `${grpcContentType}+${codec}`;
}
