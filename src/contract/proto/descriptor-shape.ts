/** The messages of descriptor.proto, field by field: what descriptors are written and read by. */

/** A field: its name in lowerCamelCase and its type, in a list if it is repeated. */
export type FieldShape = readonly [name: string, type: "text" | "int" | "bool" | Shape, repeated?: true];

/** The fields of a message by their numbers. */
export interface Shape {
  readonly [number: number]: FieldShape;
}

const features: Shape = {
  1: ["fieldPresence", "int"], 2: ["enumType", "int"], 3: ["repeatedFieldEncoding", "int"],
  4: ["utf8Validation", "int"], 5: ["messageEncoding", "int"], 6: ["jsonFormat", "int"],
};
const fileOptions: Shape = {
  1: ["javaPackage", "text"], 8: ["javaOuterClassname", "text"], 10: ["javaMultipleFiles", "bool"],
  20: ["javaGenerateEqualsAndHash", "bool"], 27: ["javaStringCheckUtf8", "bool"], 9: ["optimizeFor", "int"],
  11: ["goPackage", "text"], 16: ["ccGenericServices", "bool"], 17: ["javaGenericServices", "bool"],
  18: ["pyGenericServices", "bool"], 23: ["deprecated", "bool"], 31: ["ccEnableArenas", "bool"],
  36: ["objcClassPrefix", "text"], 37: ["csharpNamespace", "text"], 39: ["swiftPrefix", "text"],
  40: ["phpClassPrefix", "text"], 41: ["phpNamespace", "text"], 42: ["phpGenericServices", "bool"],
  44: ["phpMetadataNamespace", "text"],
  45: ["rubyPackage", "text"], 50: ["features", features],
};
const messageOptions: Shape = {
  1: ["messageSetWireFormat", "bool"], 2: ["noStandardDescriptorAccessor", "bool"], 3: ["deprecated", "bool"],
  7: ["mapEntry", "bool"], 11: ["deprecatedLegacyJsonFieldConflicts", "bool"], 12: ["features", features],
};
const fieldOptions: Shape = {
  1: ["ctype", "int"], 2: ["packed", "bool"], 6: ["jstype", "int"], 5: ["lazy", "bool"], 15: ["unverifiedLazy", "bool"],
  3: ["deprecated", "bool"], 10: ["weak", "bool"], 16: ["debugRedact", "bool"], 17: ["retention", "int"],
  21: ["features", features],
};
const range: Shape = { 1: ["start", "int"], 2: ["end", "int"] };
const field: Shape = {
  1: ["name", "text"], 2: ["extendee", "text"], 3: ["number", "int"], 4: ["label", "int"], 5: ["type", "int"],
  6: ["typeName", "text"], 7: ["defaultValue", "text"], 8: ["options", fieldOptions], 9: ["oneofIndex", "int"],
  10: ["jsonName", "text"], 17: ["proto3Optional", "bool"],
};
const enumValue: Shape = {
  1: ["name", "text"], 2: ["number", "int"],
  3: ["options", { 1: ["deprecated", "bool"], 2: ["features", features], 3: ["debugRedact", "bool"] }],
};
const enumShape: Shape = {
  1: ["name", "text"], 2: ["value", enumValue, true],
  3: ["options", {
    2: ["allowAlias", "bool"], 3: ["deprecated", "bool"], 6: ["deprecatedLegacyJsonFieldConflicts", "bool"],
    7: ["features", features],
  }],
  4: ["reservedRange", range, true], 5: ["reservedName", "text", true],
};
const message: Record<number, FieldShape> = {
  1: ["name", "text"], 2: ["field", field, true], 4: ["enumType", enumShape, true], 5: ["extensionRange", range, true],
  6: ["extension", field, true], 7: ["options", messageOptions],
  8: ["oneofDecl", { 1: ["name", "text"], 2: ["options", { 1: ["features", features] }] }, true],
  9: ["reservedRange", range, true], 10: ["reservedName", "text", true],
};
message[3] = ["nestedType", message, true];
const httpRule: Record<number, FieldShape> = {
  1: ["selector", "text"], 2: ["get", "text"], 3: ["put", "text"], 4: ["post", "text"], 5: ["delete", "text"],
  6: ["patch", "text"], 7: ["body", "text"], 8: ["custom", { 1: ["kind", "text"], 2: ["path", "text"] }],
  12: ["responseBody", "text"],
};
httpRule[11] = ["additionalBindings", httpRule, true];
const methodOptions: Shape = {
  33: ["deprecated", "bool"], 34: ["idempotencyLevel", "int"], 35: ["features", features],
  // The extension of google/api/annotations.proto.
  72_295_728: ["http", httpRule],
};
const method: Shape = {
  1: ["name", "text"], 2: ["inputType", "text"], 3: ["outputType", "text"], 4: ["options", methodOptions],
  5: ["clientStreaming", "bool"], 6: ["serverStreaming", "bool"],
};
const service: Shape = {
  1: ["name", "text"], 2: ["method", method, true],
  3: ["options", { 33: ["deprecated", "bool"], 34: ["features", features] }],
};
const location: Shape = {
  1: ["path", "int", true], 2: ["span", "int", true], 3: ["leadingComments", "text"], 4: ["trailingComments", "text"],
  6: ["leadingDetachedComments", "text", true],
};
/** Of a google.api.HttpRule. */
export const httpRuleShape: Shape = httpRule;
/** Of a FileDescriptorProto. */
export const fileShape: Shape = {
  1: ["name", "text"], 2: ["package", "text"], 3: ["dependency", "text", true], 10: ["publicDependency", "int", true],
  11: ["weakDependency", "int", true], 4: ["messageType", message, true], 5: ["enumType", enumShape, true],
  6: ["service", service, true], 7: ["extension", field, true], 8: ["options", fileOptions],
  9: ["sourceCodeInfo", { 1: ["location", location, true] }], 12: ["syntax", "text"], 14: ["edition", "int"],
};
/** Of a FileDescriptorSet. */
export const fileSetShape: Shape = { 1: ["file", fileShape, true] };
