// The records of shapes.ts in Thrift's IDL, by the mapping of docs/thrift.md. generated/thrift is made of it by
// `thrift --gen js:node,es6 -out generated/thrift shapes.thrift` (Thrift 0.17).

struct Small {
  1: i32 id
  2: string name
  3: list<string> tags
}

struct Address {
  1: string street
  2: string city
  3: string zip
  4: double lat
  5: double lon
}

struct Order {
  1: i32 id
  2: string sku
  3: i64 totalCents
  4: i64 placedAt
}

struct Medium {
  1: i32 id
  2: string name
  3: string email
  4: bool active
  5: list<Address> addresses
  6: list<string> tags
  7: map<string, string> attributes
  8: list<Order> orders
  9: string bio
}

struct Point {
  1: double lat
  2: double lon
}

struct Maps {
  1: map<string, string> labels
  2: map<string, i32> counts
  3: map<string, Point> places
  4: map<i32, string> names
}

struct Nested {
  1: i32 id
  2: string label
  3: optional Nested inner
  4: list<Nested> parts
}
