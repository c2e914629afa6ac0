/**
 * The `.proto` files that everybody imports and nobody keeps: declarations of google/protobuf, google/rpc and of the
 * paths of google/api, without their prose. Of descriptor.proto only the messages that custom options extend.
 */

const head = (name: string, outer: string, rest: string): string => `syntax = "proto3";
package google.protobuf;
option csharp_namespace = "Google.Protobuf.WellKnownTypes";
option cc_enable_arenas = true;
option go_package = "google.golang.org/protobuf/types/known/${name}";
option java_package = "com.google.protobuf";
option java_outer_classname = "${outer}";
option java_multiple_files = true;
option objc_class_prefix = "GPB";
${rest}`;

const rpcHead = (name: string, outer: string, rest: string): string => `syntax = "proto3";
package google.rpc;
${rest}
option go_package = "google.golang.org/genproto/googleapis/rpc/${name};${name}";
option java_multiple_files = true;
option java_outer_classname = "${outer}";
option java_package = "com.google.rpc";
option objc_class_prefix = "RPC";`;

const wrappers = [
  ["Double", "double"], ["Float", "float"], ["Int64", "int64"], ["UInt64", "uint64"], ["Int32", "int32"],
  ["UInt32", "uint32"], ["Bool", "bool"], ["String", "string"], ["Bytes", "bytes"],
].map(([name, type]) => `message ${name}Value { ${type} value = 1; }`).join("\n");

const struct = `message Struct { map<string, Value> fields = 1; }
message Value {
  oneof kind {
    NullValue null_value = 1;
    double number_value = 2;
    string string_value = 3;
    bool bool_value = 4;
    Struct struct_value = 5;
    ListValue list_value = 6;
  }
}
enum NullValue { NULL_VALUE = 0; }
message ListValue { repeated Value values = 1; }`;

const optionMessages = [
  "File", "Message", "Field", "Oneof", "ExtensionRange", "Enum", "EnumValue", "Service", "Method",
];

const codes = [
  "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
  "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
  "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
].map((name, number) => `${name} = ${number};`).join(" ");

const details = `import "google/protobuf/duration.proto";
message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
message RetryInfo { google.protobuf.Duration retry_delay = 1; }
message DebugInfo { repeated string stack_entries = 1; string detail = 2; }
message QuotaFailure {
  message Violation {
    string subject = 1;
    string description = 2;
    string api_service = 3;
    string quota_metric = 4;
    string quota_id = 5;
    map<string, string> quota_dimensions = 6;
    int64 quota_value = 7;
    optional int64 future_quota_value = 8;
  }
  repeated Violation violations = 1;
}
message PreconditionFailure {
  message Violation { string type = 1; string subject = 2; string description = 3; }
  repeated Violation violations = 1;
}
message BadRequest {
  message FieldViolation {
    string field = 1;
    string description = 2;
    string reason = 3;
    LocalizedMessage localized_message = 4;
  }
  repeated FieldViolation field_violations = 1;
}
message RequestInfo { string request_id = 1; string serving_data = 2; }
message ResourceInfo {
  string resource_type = 1;
  string resource_name = 2;
  string owner = 3;
  string description = 4;
}
message Help {
  message Link { string description = 1; string url = 2; }
  repeated Link links = 1;
}
message LocalizedMessage { string locale = 1; string message = 2; }`;

const apiHead = (name: string, rest: string): string => `syntax = "proto3";
package google.api;
option go_package = "google.golang.org/genproto/googleapis/api/annotations;annotations";
option java_multiple_files = true;
option java_outer_classname = "${name}Proto";
option java_package = "com.google.api";
option objc_class_prefix = "GAPI";
${rest}`;

const http = `option cc_enable_arenas = true;
message Http { repeated HttpRule rules = 1; bool fully_decode_reserved_expansion = 2; }
message HttpRule {
  string selector = 1;
  oneof pattern {
    string get = 2;
    string put = 3;
    string post = 4;
    string delete = 5;
    string patch = 6;
    CustomHttpPattern custom = 8;
  }
  string body = 7;
  string response_body = 12;
  repeated HttpRule additional_bindings = 11;
}
message CustomHttpPattern { string kind = 1; string path = 2; }`;

const annotations = `import "google/api/http.proto";
import "google/protobuf/descriptor.proto";
extend google.protobuf.MethodOptions { HttpRule http = 72295728; }`;

/** The file that declares `google.api.http`. */
export const annotationsFile = "google/api/annotations.proto";

/** Texts by path. */
export const wellKnownFiles: ReadonlyMap<string, string> = new Map([
  ["google/protobuf/any.proto", head("anypb", "AnyProto", "message Any { string type_url = 1; bytes value = 2; }")],
  ["google/protobuf/duration.proto",
    head("durationpb", "DurationProto", "message Duration { int64 seconds = 1; int32 nanos = 2; }")],
  ["google/protobuf/empty.proto", head("emptypb", "EmptyProto", "message Empty {}")],
  ["google/protobuf/field_mask.proto",
    head("fieldmaskpb", "FieldMaskProto", "message FieldMask { repeated string paths = 1; }")],
  ["google/protobuf/struct.proto", head("structpb", "StructProto", struct)],
  ["google/protobuf/timestamp.proto",
    head("timestamppb", "TimestampProto", "message Timestamp { int64 seconds = 1; int32 nanos = 2; }")],
  ["google/protobuf/wrappers.proto", head("wrapperspb", "WrappersProto", wrappers)],
  ["google/protobuf/descriptor.proto", `syntax = "proto2";
package google.protobuf;
${optionMessages.map((name) => `message ${name}Options { extensions 1000 to max; }`).join("\n")}`],
  ["google/rpc/code.proto", rpcHead("code", "CodeProto", `enum Code { ${codes} }`)],
  ["google/rpc/status.proto", rpcHead("status", "StatusProto", `import "google/protobuf/any.proto";
option cc_enable_arenas = true;
message Status { int32 code = 1; string message = 2; repeated google.protobuf.Any details = 3; }`)],
  ["google/rpc/error_details.proto", rpcHead("errdetails", "ErrorDetailsProto", details)],
  ["google/api/http.proto", apiHead("Http", http)],
  [annotationsFile, apiHead("Annotations", annotations)],
]);

/** The file that declares a well-known type, by the type's full name. */
export const wellKnownTypeFiles: ReadonlyMap<string, string> = new Map([
  ["Any", "any"], ["Duration", "duration"], ["Empty", "empty"], ["FieldMask", "field_mask"], ["Struct", "struct"],
  ["Value", "struct"], ["NullValue", "struct"], ["ListValue", "struct"], ["Timestamp", "timestamp"],
  ...["Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes"].map(
    (name) => [`${name}Value`, "wrappers"] as const),
].map(([name, file]) => [`google.protobuf.${name}`, `google/protobuf/${file}.proto`]));
