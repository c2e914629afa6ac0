/** Names that Thrift keeps for itself, and those of codes. */
import { codeNumber } from "../../core/code.ts";

const codes = [
  "cancelled", "unknown", "invalid_argument", "deadline_exceeded", "not_found", "already_exists", "permission_denied",
  "resource_exhausted", "failed_precondition", "aborted", "out_of_range", "unimplemented", "internal", "unavailable",
  "data_loss", "unauthenticated",
] as const;

/** The codes that a declared error can come with. */
export const codeNames: ReadonlySet<string> = new Set(codes.filter((code) => codeNumber(code) >= 0));

/** Words of Thrift, and those that its compiler refuses for the sake of the languages that it writes. */
export const thriftWords: ReadonlySet<string> = new Set((
  "BEGIN END __CLASS__ __DIR__ __FILE__ __FUNCTION__ __LINE__ __METHOD__ __NAMESPACE__ abstract alias and " +
  "args as assert async begin binary bool break byte case catch class clone const continue cpp_include " +
  "cpp_namespace cpp_type c_include csharp_namespace declare def default del delete delphi_namespace do " +
  "double dynamic elif else elseif elsif end enddeclare endfor endforeach endif endswitch endwhile ensure " +
  "enum except exception exec extends false finally float for foreach from function global goto i16 i32 i64 " +
  "i8 if implements import in include inline instanceof interface is java_package cocoa_prefix lambda list " +
  "map module namespace native new next nil not oneway optional or package pass perl_package php_namespace " +
  "print private protected public py_module raise redo register required rescue retry return ruby_namespace " +
  "self senum service set sizeof slist smalltalk_category smalltalk_prefix static string struct super " +
  "switch synchronized then this throw throws transient true try typedef undef union unless unsigned until " +
  "use uuid var virtual void volatile when while with xor xsd_all xsd_attrs xsd_namespace xsd_nillable " +
  "xsd_optional yield None True False nonlocal await"
).split(" "));
