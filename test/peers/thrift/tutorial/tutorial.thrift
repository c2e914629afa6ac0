# A calculator with everything that a first Thrift file shows: includes, consts, inheritance, exceptions, one-way calls.
include "shared.thrift"
cpp_include "<unordered_map>"

namespace cpp tutorial
namespace py tutorial
namespace * tutorial

typedef i32 Whole
typedef map<string, Whole> Counts

const i32 LIMIT = 9853
const map<string, string> GREETINGS = {'hello': 'world', "goodnight": 'moon'}

/** What can be done with two numbers. */
enum Operation {
  ADD = 1,
  SUBTRACT = 2,
  MULTIPLY,
  /** Not by zero. */
  DIVIDE = 0x10
}

const list<Operation> KNOWN = [Operation.ADD, Operation.DIVIDE]

/**
 * One task:
 *   two numbers and what to do.
 */
struct Work {
  1: Whole num1 = 0,
  2: required Whole num2,
  3: Operation op = Operation.ADD (go.tag = "op"),
  4: optional string comment, // said with it
  7: i16 priority = -1,
  8: set<string> labels = ["new"],
  9: i8 tiny,
  10: list<map<i64, set<i16>>> deep = [],
}

union Either {
  1: string text
  2: i64 number
  3: Work work
}

/** What cannot be computed. */
exception InvalidOperation {
  1: i32 whatOp,
  2: string why
}

service Calculator extends shared.SharedService {
  /** Says that it is there. */
  void ping(),
  i32 add(1: i32 num1, 2: i32 num2),
  /** Does the work. */
  i32 calculate(1: i32 logid, 2: Work w) throws (1: InvalidOperation ouch),
  Work polish(1: Work w)
  Either swap(1: Either either)
  Counts count(1: list<string> words)
  /** Nobody waits. */
  oneway void zip()
}
