/** What both tutorials share. */
namespace cpp shared
namespace py shared
namespace * shared

struct SharedStruct {
  1: i32 key
  2: string value
}

service SharedService {
  /** The entry that was kept under this key. */
  SharedStruct getStruct(1: i32 key)
}
