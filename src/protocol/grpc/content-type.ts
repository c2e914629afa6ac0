/** gRPC's media types: `application/grpc`, whose codec is Protobuf, and `application/grpc+NAME`. */

export const grpcContentType = "application/grpc";

/** The codec that a media type names; undefined for one that is not gRPC's. */
export function grpcCodec(contentType: string | undefined): string | undefined {
  if (contentType === undefined || !contentType.startsWith(grpcContentType)) return undefined;
  const rest = contentType.slice(grpcContentType.length);
  if (rest === "") return "proto";
  const semicolon = rest.indexOf(";");
  const suffix = (semicolon === -1 ? rest : rest.slice(0, semicolon)).trim();
  if (suffix === "") return "proto";
  return suffix.length > 1 && suffix.charCodeAt(0) === 0x2b ? suffix.slice(1) : undefined;
}

/** The media type of messages of a codec. Protobuf's is the one that every server takes. */
export function grpcContentTypeOf(codec: string): string {
  return codec === "proto" ? grpcContentType : `${grpcContentType}+${codec}`;
}

/** The entries of a list such as `grpc-accept-encoding`, in order. */
export function listed(text: string | undefined): readonly string[] {
  if (text === undefined) return none;
  const names = text.split(",", maxNames).map((name) => name.trim()).filter((name) => name !== "");
  return names.length === 0 ? none : names;
}

const maxNames = 16;
const none: readonly string[] = Object.freeze([]);
