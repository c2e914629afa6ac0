"""Serves with Apache Thrift for Python: thrift_server.py GENERATED CITIES TRANSPORT PROTOCOL [multiplexed|SERVICE];
prints `listening PORT` and ends with its standard input."""
from http.server import ThreadingHTTPServer
import json
import logging
import os
import sys
import threading

sys.path.insert(0, sys.argv[1])

from thrift.protocol import TBinaryProtocol, TCompactProtocol, THeaderProtocol, TJSONProtocol
from thrift.server import THttpServer, TServer
from thrift.TMultiplexedProcessor import TMultiplexedProcessor
from thrift.transport import TSocket, TTransport

from peers import Cities, Greeter
from peers.ttypes import (City, CityNotFound, NearestOutput, Neighbour, Refused, SaveFavouriteOutput, SearchOutput)

with open(sys.argv[2], encoding="utf-8") as file:
    CITIES = [City(**city) for city in sorted(json.load(file), key=lambda city: -city["population"])]


class CitiesHandler:
    def search(self, prefix, limit):
        if prefix == "broken":
            raise ValueError("a bug")
        return SearchOutput([city for city in CITIES if city.name.lower().startswith(prefix.lower())][:limit])

    def nearest(self, lat, lon, count):
        near = min(CITIES, key=lambda city: (city.lat - lat) ** 2 + (city.lon - lon) ** 2)
        return NearestOutput([Neighbour(near, 0.0)])

    def saveFavourite(self, user, cityId):
        if all(city.id != cityId for city in CITIES):
            raise CityNotFound(cityId)
        return SaveFavouriteOutput(100 + cityId, False)


class GreeterHandler:
    def __init__(self):
        self.said = []

    def sayHello(self, name):
        return "Hello " + name

    def ping(self):
        pass

    def add(self, a, b):
        return a + b

    def echo(self, value):
        return value

    def refuse(self, why):
        raise Refused(why, 2)

    def note(self, text):
        self.said.append(text)

    def notes(self):
        said, self.said = self.said, []
        return said


class Listening(TSocket.TServerSocket):
    def listen(self):
        super().listen()
        print("listening %d" % self.handle.getsockname()[1], flush=True)


PROTOCOLS = {
    "binary": TBinaryProtocol.TBinaryProtocolFactory,
    "compact": TCompactProtocol.TCompactProtocolFactory,
    "json": TJSONProtocol.TJSONProtocolFactory,
}
TRANSPORTS = {"framed": TTransport.TFramedTransportFactory, "buffered": TTransport.TBufferedTransportFactory}

if __name__ == "__main__":
    # A handler that fails on purpose is no news.
    logging.disable(logging.CRITICAL)
    transport, protocol, which = sys.argv[3:6]
    processors = {"Cities": Cities.Processor(CitiesHandler()), "Greeter": Greeter.Processor(GreeterHandler())}
    if which == "multiplexed":
        processor = TMultiplexedProcessor()
        for name, one in processors.items():
            processor.registerProcessor(name, one)
    else:
        processor = processors[which]
    if transport == "http":
        # A thread a connection: the usual class serves one after another, and an idle one holds up all others.
        server = THttpServer.THttpServer(processor, ("127.0.0.1", 0), PROTOCOLS[protocol](),
                                         server_class=ThreadingHTTPServer)
        print("listening %d" % server.httpd.server_address[1], flush=True)
    elif transport == "header":
        factory = THeaderProtocol.THeaderProtocolFactory(allowed_client_types=(
            THeaderProtocol.THeaderClientType.HEADERS,))
        server = TServer.TThreadedServer(processor, Listening("127.0.0.1", 0), TTransport.TTransportFactoryBase(),
                                         factory, daemon=True)
    else:
        server = TServer.TThreadedServer(processor, Listening("127.0.0.1", 0), TRANSPORTS[transport](),
                                         PROTOCOLS[protocol](), daemon=True)
    threading.Thread(target=server.serve, daemon=True).start()
    sys.stdin.read()
    os._exit(0)
