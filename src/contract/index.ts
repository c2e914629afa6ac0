/** The contract: what a service's methods are called, take, return and promise, with types end to end. */
export type { Codec, Coder } from "./codec.ts";
export { bytes, field, fixed, type Oneof, oneof, openEnum, scalar, type ScalarValue } from "./field.ts";
export type { HttpBinding, HttpPath, HttpRule, HttpVerb } from "./http/rule.ts";
export {
  type AnyMethod, type ErrorInput, type ErrorOutput, type ErrorsOf, type HandlerInputOf, type HandlerOutputOf,
  type InputOf, isError, type Method, type OutputOf, type TypesOf,
} from "./method.ts";
export type {
  EnumModel, FieldModel, ListModel, MapModel, Model, NullableModel, OneofModel, OneofVariantModel, ScalarKind,
  ScalarModel, StructModel, UnionModel, UnknownModel, VariantModel, WellKnownModel, WellKnownName,
} from "./model.ts";
export { type ErrorDeclaration, type ErrorDeclarations, type NoErrors, type Rpc, rpc, type RpcOptions } from "./rpc.ts";
export { requireModel, type Schema } from "./schema.ts";
export { isType, schemaOf } from "./schema-of.ts";
export {
  type AnyContract, type AnyRpc, type Contract, maxMethods, type MethodOf, type RpcDeclarations, service,
} from "./service.ts";
export type {
  AnyType, StandardIssue, StandardResult, StandardSchema, TypeInput, TypeOutput,
} from "./standard.ts";
export type { CallOf, CallOptions, Client, HandlerOf, Handlers, Inputs } from "./types.ts";
export { unknownFields } from "./unknown-fields.ts";
export {
  type Any, type Duration, durationMs, durationOf, type FieldMask, type JsonValue, type Timestamp, wellKnown,
} from "./well-known.ts";
/** What a Coder writes into; a codec that wraps another makes one of its own. */
export { Writer } from "../wire/writer.ts";
