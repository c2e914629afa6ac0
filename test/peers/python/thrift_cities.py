"""Calls geo.v1.Cities with Apache Thrift for Python: thrift_cities.py GENERATED HOST:PORT VARIANT..., each
`transport/protocol[/multiplexed]`; prints what each was told, as JSON."""
import json
import sys

sys.path.insert(0, sys.argv[1])

import thrift
from thrift.protocol import TMultiplexedProtocol

from thrift_client import opened

from peers import Cities
from peers.ttypes import CityNotFound


def converse(host, port, variant):
    transport, protocol, multiplexed = (variant.split("/") + [""])[:3]
    connection, made = opened(host, port, transport, protocol)
    cities = Cities.Client(TMultiplexedProtocol.TMultiplexedProtocol(made, "Cities") if multiplexed else made)
    said = {"search": [city.name for city in cities.search("b", 3).cities]}
    said["favouriteId"] = cities.saveFavourite("ada", 3).favouriteId
    try:
        cities.saveFavourite("ada", 99)
    except CityNotFound as error:
        said["error"] = {"cityId": error.cityId}
    connection.close()
    return said


if __name__ == "__main__":
    host, port = sys.argv[2].rsplit(":", 1)
    told = {variant: converse(host, int(port), variant) for variant in sys.argv[3:]}
    print(json.dumps({"library": thrift.__path__[0], "told": told}))
