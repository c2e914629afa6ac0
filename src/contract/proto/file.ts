/**
 * The messages of google/protobuf/descriptor.proto as plain objects: what `.proto` files are, whoever wrote them.
 *
 * Members have the names of descriptor.proto in lowerCamelCase; enums are their numbers; what is absent is undefined.
 */

export interface FileDescriptor {
  readonly name: string;
  readonly package?: string | undefined;
  readonly dependency?: readonly string[] | undefined;
  readonly publicDependency?: readonly number[] | undefined;
  readonly weakDependency?: readonly number[] | undefined;
  readonly messageType?: readonly MessageDescriptor[] | undefined;
  readonly enumType?: readonly EnumDescriptor[] | undefined;
  readonly service?: readonly ServiceDescriptor[] | undefined;
  readonly extension?: readonly FieldDescriptor[] | undefined;
  readonly options?: Options | undefined;
  readonly sourceCodeInfo?: { readonly location: readonly SourceLocation[] } | undefined;
  /** `proto3`, `editions`, or absent for proto2. */
  readonly syntax?: string | undefined;
  /** 1000 for 2023. */
  readonly edition?: number | undefined;
}

export interface SourceLocation {
  /** Field numbers and indices from the file down. */
  readonly path: readonly number[];
  /** Line and column, from 0. */
  readonly span: readonly number[];
  readonly leadingComments?: string | undefined;
  readonly trailingComments?: string | undefined;
  readonly leadingDetachedComments?: readonly string[] | undefined;
}

/** The end is exclusive. */
export interface DescriptorRange {
  readonly start: number;
  readonly end: number;
  readonly options?: Options | undefined;
}

export interface MessageDescriptor {
  readonly name: string;
  readonly field?: readonly FieldDescriptor[] | undefined;
  readonly extension?: readonly FieldDescriptor[] | undefined;
  readonly nestedType?: readonly MessageDescriptor[] | undefined;
  readonly enumType?: readonly EnumDescriptor[] | undefined;
  readonly extensionRange?: readonly DescriptorRange[] | undefined;
  readonly oneofDecl?: readonly OneofDescriptor[] | undefined;
  readonly options?: Options | undefined;
  readonly reservedRange?: readonly DescriptorRange[] | undefined;
  readonly reservedName?: readonly string[] | undefined;
}

export interface OneofDescriptor {
  readonly name: string;
  readonly options?: Options | undefined;
}

export interface FieldDescriptor {
  readonly name: string;
  readonly extendee?: string | undefined;
  readonly number: number;
  /** 1 optional, 2 required, 3 repeated. */
  readonly label?: number | undefined;
  /** See {@link fieldTypes}. */
  readonly type?: number | undefined;
  /** Absolute, with a leading dot. */
  readonly typeName?: string | undefined;
  readonly defaultValue?: string | undefined;
  readonly options?: Options | undefined;
  readonly oneofIndex?: number | undefined;
  readonly jsonName?: string | undefined;
  readonly proto3Optional?: boolean | undefined;
}

/** The end of a reserved range is inclusive, unlike a message's. */
export interface EnumDescriptor {
  readonly name: string;
  readonly value?: readonly EnumValueDescriptor[] | undefined;
  readonly options?: Options | undefined;
  readonly reservedRange?: readonly DescriptorRange[] | undefined;
  readonly reservedName?: readonly string[] | undefined;
}

export interface EnumValueDescriptor {
  readonly name: string;
  readonly number: number;
  readonly options?: Options | undefined;
}

export interface ServiceDescriptor {
  readonly name: string;
  readonly method?: readonly MethodDescriptor[] | undefined;
  readonly options?: Options | undefined;
}

export interface MethodDescriptor {
  readonly name: string;
  readonly inputType: string;
  readonly outputType: string;
  readonly options?: Options | undefined;
  readonly clientStreaming?: boolean | undefined;
  readonly serverStreaming?: boolean | undefined;
}

/**
 * Built-in options by their lowerCamelCase names; `features` is an object of numbers. Of custom options only the `http`
 * of methods is here: an {@link HttpOption}.
 */
export type Options = Readonly<Record<string, unknown>>;

/** A `google.api.HttpRule`: what `option (google.api.http)` of a method says. */
export interface HttpOption {
  readonly selector?: string | undefined;
  readonly get?: string | undefined;
  readonly put?: string | undefined;
  readonly post?: string | undefined;
  readonly delete?: string | undefined;
  readonly patch?: string | undefined;
  readonly custom?: { readonly kind?: string | undefined; readonly path?: string | undefined } | undefined;
  readonly body?: string | undefined;
  readonly responseBody?: string | undefined;
  readonly additionalBindings?: readonly HttpOption[] | undefined;
}

/** `FieldDescriptorProto.Type` by the name in `.proto`. */
export const fieldTypes: Readonly<Record<string, number>> = Object.freeze({
  double: 1, float: 2, int64: 3, uint64: 4, int32: 5, fixed64: 6, fixed32: 7, bool: 8, string: 9, group: 10,
  message: 11, bytes: 12, uint32: 13, enum: 14, sfixed32: 15, sfixed64: 16, sint32: 17, sint64: 18,
});

/** The name in `.proto` by `FieldDescriptorProto.Type`. */
export const fieldTypeNames: ReadonlyMap<number, string> =
  new Map(Object.entries(fieldTypes).map(([name, number]) => [number, name]));

/** `FieldDescriptorProto.Label`. */
export const labels = { optional: 1, required: 2, repeated: 3 } as const;

/** Field numbers of descriptor.proto, which the paths of source locations are made of. */
export const paths = {
  file: { syntax: 12, package: 2, dependency: 3, message: 4, enum: 5, service: 6, extension: 7 },
  message: { field: 2, nested: 3, enum: 4, extension: 6, oneof: 8 },
  enum: { value: 2 },
  service: { method: 2 },
  /** `http` is the number of `google.api.http`; the others are those of google.api.HttpRule. */
  method: { options: 4, http: 72_295_728, additional: 11 },
} as const;
