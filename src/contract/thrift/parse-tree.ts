/** The parts of a `.thrift` file as they are written, before names are looked up. */
import type { Position } from "./tokens.ts";

/** `(key = "value")` behind what it is about. */
export type Annotations = ReadonlyMap<string, string>;

export type TypeNode =
  | { readonly kind: "base"; readonly name: string; readonly annotations: Annotations; readonly position: Position }
  | { readonly kind: "name"; readonly name: string; readonly annotations: Annotations; readonly position: Position }
  | {
    readonly kind: "list" | "set"; readonly of: TypeNode; readonly annotations: Annotations;
    readonly position: Position;
  }
  | {
    readonly kind: "map"; readonly key: TypeNode; readonly value: TypeNode; readonly annotations: Annotations;
    readonly position: Position;
  };

export type ConstNode =
  | { readonly kind: "int"; readonly value: bigint; readonly position: Position }
  | { readonly kind: "double"; readonly value: number; readonly position: Position }
  | { readonly kind: "text"; readonly value: string; readonly position: Position }
  | { readonly kind: "name"; readonly value: string; readonly position: Position }
  | { readonly kind: "list"; readonly items: readonly ConstNode[]; readonly position: Position }
  | {
    readonly kind: "map"; readonly entries: readonly (readonly [ConstNode, ConstNode])[];
    readonly position: Position;
  };

export interface FieldNode {
  readonly id: number | undefined;
  readonly requiredness: "required" | "optional" | "default";
  readonly type: TypeNode;
  readonly name: string;
  readonly value: ConstNode | undefined;
  readonly annotations: Annotations;
  readonly doc: string | undefined;
  readonly position: Position;
}

interface Definition {
  readonly name: string;
  readonly doc: string | undefined;
  readonly position: Position;
}

export interface StructNode extends Definition {
  readonly kind: "struct" | "union" | "exception";
  readonly fields: readonly FieldNode[];
  readonly annotations: Annotations;
}

export interface EnumNode extends Definition {
  readonly kind: "enum";
  readonly values: readonly {
    readonly name: string; readonly number: number; readonly doc: string | undefined;
    readonly annotations: Annotations; readonly position: Position;
  }[];
  readonly annotations: Annotations;
}

export interface TypedefNode extends Definition {
  readonly kind: "typedef";
  readonly type: TypeNode;
}

export interface ConstDefinition extends Definition {
  readonly kind: "const";
  readonly type: TypeNode;
  readonly value: ConstNode;
}

export interface FunctionNode extends Definition {
  readonly oneway: boolean;
  /** Undefined of `void`. */
  readonly returns: TypeNode | undefined;
  readonly args: readonly FieldNode[];
  readonly throws: readonly FieldNode[];
  readonly annotations: Annotations;
}

export interface ServiceNode extends Definition {
  readonly kind: "service";
  readonly extends: { readonly name: string; readonly position: Position } | undefined;
  readonly functions: readonly FunctionNode[];
  readonly annotations: Annotations;
}

export type DefinitionNode = StructNode | EnumNode | TypedefNode | ConstDefinition | ServiceNode;

export interface ThriftFile {
  readonly path: string;
  readonly includes: readonly { readonly path: string; readonly position: Position }[];
  /** By scope: `*`, `py`, `java`. */
  readonly namespaces: ReadonlyMap<string, string>;
  readonly definitions: readonly DefinitionNode[];
}
