/** The service that Thrift is met with: whoever says a name is greeted. */
namespace py greeter
namespace js greeter

enum Tongue {
  ENGLISH = 1,
  FRENCH = 2,
  GERMAN = 3,
}

struct HelloRequest {
  1: required string name,
  2: optional Tongue tongue = Tongue.ENGLISH,
  3: list<string> titles,
}

struct HelloReply {
  1: string message,
  2: i64 times,
}

exception NobodyThere {
  1: string reason,
}

service Greeter {
  void ping(),

  /** The one-line greeting. */
  string sayHello(1: string name),

  HelloReply greet(1: HelloRequest request) throws (1: NobodyThere nobody),

  oneway void wave(1: string name),

  set<string> waved(),
}
