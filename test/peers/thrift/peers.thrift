// The greeter of every tutorial, the unary calls of geo.v1.Cities, and every type that Thrift has.
namespace py peers

struct City {
  1: i32 id
  2: string name
  3: string country
  4: double lat
  5: double lon
  6: i32 population
}

struct SearchOutput {
  1: list<City> cities
}

struct Neighbour {
  1: City city
  2: double distanceKm
}

struct NearestOutput {
  1: list<Neighbour> neighbours
}

struct SaveFavouriteOutput {
  1: i32 favouriteId
  2: bool replayed
}

exception CityNotFound {
  1: i32 cityId
}

service Cities {
  SearchOutput search(1: string prefix, 2: i32 limit)
  NearestOutput nearest(1: double lat, 2: double lon, 3: i32 count)
  SaveFavouriteOutput saveFavourite(1: string user, 2: i32 cityId) throws (1: CityNotFound error)
}

enum Colour {
  RED = 1
  GREEN = 5
}

union Shape {
  1: string name
  2: double radius
}

struct Everything {
  1: bool yes
  2: i32 int
  3: i64 large
  4: double real
  5: string text
  6: binary data
  7: list<string> names
  8: map<string, i32> counts
  9: map<i64, list<bool>> flags
  10: Colour colour
  11: Shape shape
  12: optional string maybe
  13: list<list<i32>> grid
  20: optional Everything inner
}

exception Refused {
  1: string why
  2: i32 times
}

service Greeter {
  string sayHello(1: string name)
  void ping()
  i32 add(1: i32 a, 2: i32 b)
  Everything echo(1: Everything value)
  string refuse(1: string why) throws (3: Refused refused)
  oneway void note(1: string text)
  list<string> notes()
}
