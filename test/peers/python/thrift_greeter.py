"""The greeter with Apache Thrift for Python and what its compiler generates: thrift_greeter.py GENERATED call HOST:PORT
calls one as tutorials do, and prints what it was told, as JSON; thrift_greeter.py GENERATED serve serves one until its
input ends. Transport and protocol are the tutorials' own: buffered and binary."""
import json
import logging
import os
import sys
import threading

sys.path.insert(0, sys.argv[1])

from thrift.protocol import TBinaryProtocol
from thrift.server import TServer
from thrift.transport import TSocket, TTransport

from greeter import Greeter
from greeter.ttypes import HelloReply, HelloRequest, NobodyThere, Tongue

WORDS = {Tongue.ENGLISH: "Hello", Tongue.FRENCH: "Bonjour", Tongue.GERMAN: "Hallo"}


class Handler:
    def __init__(self):
        self.names = set()

    def ping(self):
        pass

    def sayHello(self, name):
        return "Hello %s" % name

    def greet(self, request):
        if request.name == "":
            raise NobodyThere("no name")
        names = " ".join((request.titles or []) + [request.name])
        return HelloReply("%s %s" % (WORDS[request.tongue], names), len(request.titles or []))

    def wave(self, name):
        self.names.add(name)

    def waved(self):
        return self.names


def call(address):
    host, port = address.rsplit(":", 1)
    transport = TTransport.TBufferedTransport(TSocket.TSocket(host, int(port)))
    client = Greeter.Client(TBinaryProtocol.TBinaryProtocol(transport))
    transport.open()
    client.ping()
    said = {"hello": client.sayHello("Ada")}
    plain = client.greet(HelloRequest(name="Ada", titles=[]))
    said["plain"] = [plain.message, plain.times]
    german = client.greet(HelloRequest(name="Ada", tongue=Tongue.GERMAN, titles=["Dr.", "h. c."]))
    said["german"] = [german.message, german.times]
    try:
        client.greet(HelloRequest(name="", titles=[]))
    except NobodyThere as nobody:
        said["nobody"] = nobody.reason
    client.wave("Ada")
    client.wave("Bo")
    client.wave("Ada")
    said["waved"] = sorted(client.waved())
    transport.close()
    return said


class Listening(TSocket.TServerSocket):
    def listen(self):
        super().listen()
        print("listening %d" % self.handle.getsockname()[1], flush=True)


if __name__ == "__main__":
    # A handler that fails on purpose is no news.
    logging.disable(logging.CRITICAL)
    if sys.argv[2] == "call":
        print(json.dumps(call(sys.argv[3])))
    else:
        server = TServer.TSimpleServer(
            Greeter.Processor(Handler()), Listening("127.0.0.1", 0), TTransport.TBufferedTransportFactory(),
            TBinaryProtocol.TBinaryProtocolFactory())
        threading.Thread(target=server.serve, daemon=True).start()
        sys.stdin.read()
        os._exit(0)
