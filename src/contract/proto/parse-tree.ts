/** The syntax tree of a `.proto` file: what stands in it, where, and with which comments. Names are not resolved. */
import type { Position } from "./parse-error.ts";

/** The part of a file that a declaration is. */
export interface Declared {
  readonly position: Position;
  /** As written, without the comment marks. */
  readonly leading: string | undefined;
  readonly trailing: string | undefined;
  readonly detached: readonly string[];
}

export interface FileNode {
  readonly path: string;
  readonly syntax: "proto2" | "proto3" | "editions";
  /** Of `editions`: `2023`. */
  readonly edition: string | undefined;
  readonly declared: Declared;
  readonly package: string;
  readonly imports: readonly ImportNode[];
  readonly options: readonly OptionNode[];
  readonly messages: readonly MessageNode[];
  readonly enums: readonly EnumNode[];
  readonly services: readonly ServiceNode[];
  readonly extensions: readonly ExtendNode[];
}

export interface ImportNode extends Declared {
  readonly path: string;
  readonly modifier: "public" | "weak" | undefined;
}

export interface MessageNode extends Declared {
  readonly name: string;
  readonly fields: readonly FieldNode[];
  readonly oneofs: readonly OneofNode[];
  readonly messages: readonly MessageNode[];
  readonly enums: readonly EnumNode[];
  readonly extensions: readonly ExtendNode[];
  readonly extensionRanges: readonly ExtensionRangeNode[];
  readonly reserved: ReservedNode;
  readonly options: readonly OptionNode[];
}

export interface FieldNode extends Declared {
  readonly name: string;
  readonly number: number;
  readonly label: "optional" | "required" | "repeated" | undefined;
  /** As written: `string`, `Outer.Inner`, `.pkg.Type`; of a map, its value's. */
  readonly type: string;
  readonly typePosition: Position;
  /** Of a map, its key's type. */
  readonly mapKey: string | undefined;
  /** Of a proto2 group, its body. */
  readonly group: MessageNode | undefined;
  /** Index among the message's oneofs. */
  readonly oneof: number | undefined;
  readonly options: readonly OptionNode[];
}

export interface OneofNode extends Declared {
  readonly name: string;
  readonly options: readonly OptionNode[];
}

export interface ExtendNode extends Declared {
  readonly extendee: string;
  readonly fields: readonly FieldNode[];
}

/** Both ends inclusive. */
export interface RangeNode {
  readonly first: number;
  readonly last: number;
}

export interface ExtensionRangeNode extends RangeNode {
  readonly position: Position;
  readonly options: readonly OptionNode[];
}

export interface ReservedNode {
  readonly ranges: readonly RangeNode[];
  readonly names: readonly string[];
}

export interface EnumNode extends Declared {
  readonly name: string;
  readonly values: readonly EnumValueNode[];
  readonly reserved: ReservedNode;
  readonly options: readonly OptionNode[];
}

export interface EnumValueNode extends Declared {
  readonly name: string;
  readonly number: number;
  readonly options: readonly OptionNode[];
}

export interface ServiceNode extends Declared {
  readonly name: string;
  readonly methods: readonly MethodNode[];
  readonly options: readonly OptionNode[];
}

export interface MethodNode extends Declared {
  readonly name: string;
  readonly input: TypeReference;
  readonly output: TypeReference;
  readonly options: readonly OptionNode[];
}

export interface TypeReference {
  readonly type: string;
  readonly position: Position;
  readonly isStream: boolean;
}

/** `option (my.opt).part = value;` */
export interface OptionNode {
  readonly position: Position;
  readonly name: readonly { readonly text: string; readonly isExtension: boolean }[];
  readonly value: OptionValue;
}

export type OptionValue =
  | { readonly kind: "identifier"; readonly text: string }
  | { readonly kind: "string"; readonly text: string; readonly bytes: Uint8Array }
  | { readonly kind: "number"; readonly number: number; readonly integer: bigint | undefined }
  | { readonly kind: "list"; readonly values: readonly OptionValue[] }
  | { readonly kind: "message"; readonly fields: readonly AggregateField[] };

/** `name: value` of the text format; an extension or the type of an Any in brackets. */
export interface AggregateField {
  readonly position: Position;
  readonly name: string;
  readonly isExtension: boolean;
  readonly value: OptionValue;
}

/** `google.api.http`, or `(my.opt).part`, as people write it. */
export function optionName(option: OptionNode): string {
  return option.name.map(({ text, isExtension }) => (isExtension ? `(${text})` : text)).join(".");
}
