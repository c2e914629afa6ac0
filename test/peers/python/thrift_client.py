"""Calls a server with Apache Thrift for Python: thrift_client.py GENERATED HOST:PORT VARIANT..., each
`transport/protocol[/multiplexed]`; prints what each was told, as JSON."""
import json
import sys

sys.path.insert(0, sys.argv[1])

from thrift.protocol import TBinaryProtocol, TCompactProtocol, THeaderProtocol, TJSONProtocol, TMultiplexedProtocol
from thrift.Thrift import TApplicationException
from thrift.transport import THttpClient, TSocket, TTransport

from peers import Cities, Greeter
from peers.ttypes import CityNotFound, Everything, Refused, Shape

PROTOCOLS = {
    "binary": TBinaryProtocol.TBinaryProtocol,
    "accelerated": TBinaryProtocol.TBinaryProtocolAccelerated,
    "compact": TCompactProtocol.TCompactProtocol,
    "compact-accelerated": TCompactProtocol.TCompactProtocolAccelerated,
    "json": TJSONProtocol.TJSONProtocol,
}


def opened(host, port, transport, protocol):
    if transport == "http":
        connection = THttpClient.THttpClient("http://%s:%d/" % (host, port))
        kind = {"binary": "vnd.apache.thrift.binary", "compact": "vnd.apache.thrift.compact"}
        connection.setCustomHeaders({"Content-Type": "application/" + kind.get(protocol, "vnd.apache.thrift.json")})
        return connection, PROTOCOLS[protocol](connection)
    if transport.startswith("unix:"):
        socket = TSocket.TSocket(unix_socket=transport[5:])
        connection = TTransport.TFramedTransport(socket)
        connection.open()
        return connection, PROTOCOLS[protocol](connection)
    socket = TSocket.TSocket(host, port)
    socket.setTimeout(10000)
    if transport == "header":
        kind = {"binary": 0, "compact": 2}[protocol]
        made = THeaderProtocol.THeaderProtocol(socket, [THeaderProtocol.THeaderClientType.HEADERS], kind)
        made.trans.open()
        return made.trans, made
    connection = (TTransport.TFramedTransport if transport == "framed" else TTransport.TBufferedTransport)(socket)
    connection.open()
    return connection, PROTOCOLS[protocol](connection)


def everything():
    return Everything(
        yes=True, int=-2147483648, large=9223372036854775807, real=-0.1, text="naïve 👩‍👩‍👧 \"\\",
        data=bytes([0, 255, 128, 7]), names=["", "a"], counts={"": 0, "key": -1},
        flags={-1: [True, False], 2 ** 40: []}, colour=5, shape=Shape(radius=2.5),
        grid=[[1, -1], [], list(range(20))])


def converse(host, port, variant):
    transport, protocol, multiplexed = (variant.split("/") + [""])[:3]
    if transport.startswith("unix"):
        transport = "unix:" + host
    connection, made = opened(host, port, transport, protocol)
    wrap = (lambda name: TMultiplexedProtocol.TMultiplexedProtocol(made, name)) if multiplexed else (lambda name: made)
    cities, greeter = Cities.Client(wrap("Cities")), Greeter.Client(wrap("Greeter"))
    said = {"search": [city.name for city in cities.search("b", 3).cities]}
    said["nearest"] = cities.nearest(52.5, 13.4, 1).neighbours[0].city.name
    said["favouriteId"] = cities.saveFavourite("ada", 3).favouriteId
    try:
        cities.saveFavourite("ada", 99)
    except CityNotFound as error:
        said["cityId"] = error.cityId
    said["hello"] = greeter.sayHello("Ada")
    greeter.ping()
    said["sum"] = greeter.add(-3, 5)
    value = everything()
    value.inner = everything()
    said["same"] = greeter.echo(value) == value
    try:
        greeter.refuse("never")
    except Refused as error:
        said["refused"] = [error.why, error.times]
    try:
        cities.search("", 1)
    except TApplicationException as error:
        said["invalid"] = [error.type, str(error.message)]
    greeter.note("one")
    greeter.note("two")
    said["notes"] = greeter.notes()
    connection.close()
    return said


if __name__ == "__main__":
    if sys.argv[2].startswith("unix:"):
        host, port = sys.argv[2][5:], 0
    else:
        host, port = sys.argv[2].rsplit(":", 1)
    print(json.dumps({variant: converse(host, int(port), variant) for variant in sys.argv[3:]}))
