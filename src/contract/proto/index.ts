/** Protocol Buffers as a language: `.proto` files and descriptors from contracts, and contracts from them. */
export { describeContracts, type DescribeOptions, protoPath, withDependencies } from "./descriptor.ts";
export {
  type ContractModule, exportDescriptors, type ExportedProto, type ExportOptions, exportProto, exportProtoFiles,
  readModule,
} from "./export.ts";
export type { OptionFacts, ProtoFacts, ServiceFacts, TypeFacts } from "./facts.ts";
export type {
  DescriptorRange, EnumDescriptor, EnumValueDescriptor, FieldDescriptor, FileDescriptor, MessageDescriptor,
  MethodDescriptor, OneofDescriptor, Options, ServiceDescriptor, SourceLocation,
} from "./file.ts";
export {
  type DescribedContract, type DescribedFile, type DescribedService, fromDescriptor, fromFileDescriptorSet,
} from "./from-descriptor.ts";
export { type ImportedProto, importProto } from "./import.ts";
export type { CustomOption } from "./link-options.ts";
export { type LoadedProto, loadProto, type ProtoResolver } from "./load.ts";
export { printProto } from "./print.ts";
export { readFileDescriptorSet } from "./set-bytes.ts";
export type { SourceOptions } from "./source.ts";
