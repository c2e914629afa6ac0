// What protoc-gen-es prints for shapes.proto: its descriptor, from which protobuf-es works at run time.
import type { GenFile, GenMessage } from "@bufbuild/protobuf/codegenv2";
import { fileDesc, messageDesc } from "@bufbuild/protobuf/codegenv2";
import type { Message } from "@bufbuild/protobuf";
import { file_google_protobuf_timestamp } from "@bufbuild/protobuf/wkt";

const file: GenFile = fileDesc(
  "CgxzaGFwZXMucHJvdG8SBnNoYXBlcxofZ29vZ2xlL3Byb3RvYnVmL3RpbWVzdGFtcC5wcm90byIvCgVTbWFsbBIKCgJpZBgBIAEo" +
  "BRIMCgRuYW1lGAIgASgJEgwKBHRhZ3MYAyADKAkiTgoHQWRkcmVzcxIOCgZzdHJlZXQYASABKAkSDAoEY2l0eRgCIAEoCRILCgN6" +
  "aXAYAyABKAkSCwoDbGF0GAQgASgBEgsKA2xvbhgFIAEoASJkCgVPcmRlchIKCgJpZBgBIAEoBRILCgNza3UYAiABKAkSEwoLdG90" +
  "YWxfY2VudHMYAyABKAMSLQoJcGxhY2VkX2F0GAQgASgLMhouZ29vZ2xlLnByb3RvYnVmLlRpbWVzdGFtcCKGAgoGTWVkaXVtEgoK" +
  "AmlkGAEgASgFEgwKBG5hbWUYAiABKAkSDQoFZW1haWwYAyABKAkSDgoGYWN0aXZlGAQgASgIEiIKCWFkZHJlc3NlcxgFIAMoCzIP" +
  "LnNoYXBlcy5BZGRyZXNzEgwKBHRhZ3MYBiADKAkSMgoKYXR0cmlidXRlcxgHIAMoCzIeLnNoYXBlcy5NZWRpdW0uQXR0cmlidXRl" +
  "c0VudHJ5Eh0KBm9yZGVycxgIIAMoCzINLnNoYXBlcy5PcmRlchILCgNiaW8YCSABKAkaMQoPQXR0cmlidXRlc0VudHJ5EgsKA2tl" +
  "eRgBIAEoCRINCgV2YWx1ZRgCIAEoCToCOAEiIQoFUG9pbnQSCwoDbGF0GAEgASgBEgsKA2xvbhgCIAEoASL2AgoETWFwcxIoCgZs" +
  "YWJlbHMYASADKAsyGC5zaGFwZXMuTWFwcy5MYWJlbHNFbnRyeRIoCgZjb3VudHMYAiADKAsyGC5zaGFwZXMuTWFwcy5Db3VudHNF" +
  "bnRyeRIoCgZwbGFjZXMYAyADKAsyGC5zaGFwZXMuTWFwcy5QbGFjZXNFbnRyeRImCgVuYW1lcxgEIAMoCzIXLnNoYXBlcy5NYXBz" +
  "Lk5hbWVzRW50cnkaLQoLTGFiZWxzRW50cnkSCwoDa2V5GAEgASgJEg0KBXZhbHVlGAIgASgJOgI4ARotCgtDb3VudHNFbnRyeRIL" +
  "CgNrZXkYASABKAkSDQoFdmFsdWUYAiABKAU6AjgBGjwKC1BsYWNlc0VudHJ5EgsKA2tleRgBIAEoCRIcCgV2YWx1ZRgCIAEoCzIN" +
  "LnNoYXBlcy5Qb2ludDoCOAEaLAoKTmFtZXNFbnRyeRILCgNrZXkYASABKAUSDQoFdmFsdWUYAiABKAk6AjgBImEKBk5lc3RlZBIK" +
  "CgJpZBgBIAEoBRINCgVsYWJlbBgCIAEoCRIdCgVpbm5lchgDIAEoCzIOLnNoYXBlcy5OZXN0ZWQSHQoFcGFydHMYBCADKAsyDi5z" +
  "aGFwZXMuTmVzdGVkYgZwcm90bzM",
  [file_google_protobuf_timestamp],
);

export const schemas: Readonly<Record<"Small" | "Medium" | "Maps" | "Nested", GenMessage<Message>>> = {
  Small: messageDesc(file, 0), Medium: messageDesc(file, 3), Maps: messageDesc(file, 5), Nested: messageDesc(file, 6),
};
