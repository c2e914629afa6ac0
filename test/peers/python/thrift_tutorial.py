"""The tutorial's calculator with Apache Thrift for Python: thrift_tutorial.py GENERATED call HOST:PORT PROTOCOL... calls
one and prints what it was told, as JSON; thrift_tutorial.py GENERATED serve PROTOCOL serves one until its input ends."""
import json
import logging
import os
import sys
import threading

sys.path.insert(0, sys.argv[1])

from thrift.protocol import TBinaryProtocol, TCompactProtocol, TJSONProtocol
from thrift.server import TServer
from thrift.transport import TSocket, TTransport

from shared.ttypes import SharedStruct
from tutorial import Calculator
from tutorial.ttypes import Either, InvalidOperation, Operation, Work

PROTOCOLS = {
    "binary": TBinaryProtocol.TBinaryProtocolFactory,
    "compact": TCompactProtocol.TCompactProtocolFactory,
    "json": TJSONProtocol.TJSONProtocolFactory,
}


class Handler:
    def __init__(self):
        self.zipped = 0

    def getStruct(self, key):
        return SharedStruct(key, "zipped %d" % self.zipped)

    def ping(self):
        pass

    def add(self, num1, num2):
        return num1 + num2

    def calculate(self, logid, w):
        if w.op == Operation.DIVIDE and w.num2 == 0:
            raise InvalidOperation(w.op, "cannot divide by 0")
        return {Operation.ADD: w.num1 + w.num2, Operation.SUBTRACT: w.num1 - w.num2}.get(w.op, 0)

    def polish(self, w):
        w.comment = (w.comment or "") + "!"
        return w

    def swap(self, either):
        return Either(number=len(either.text)) if either.text is not None else Either(text=str(either.number))

    def count(self, words):
        return {word: words.count(word) for word in words}

    def zip(self):
        self.zipped += 1


def call(address, protocol):
    host, port = address.rsplit(":", 1)
    socket = TSocket.TSocket(host, int(port))
    socket.setTimeout(10000)
    transport = TTransport.TFramedTransport(socket)
    client = Calculator.Client(PROTOCOLS[protocol]().getProtocol(transport))
    transport.open()
    client.ping()
    said = {"sum": client.add(2, -5), "difference": client.calculate(1, Work(7, 9, Operation.SUBTRACT, tiny=0))}
    try:
        client.calculate(1, Work(1, 0, Operation.DIVIDE, tiny=0))
    except InvalidOperation as error:
        said["refused"] = [error.whatOp, error.why]
    work = Work(num2=3, tiny=-128, priority=-32768, labels={"a", "b"}, deep=[{-1: {1, -2}}], comment="so")
    polished = client.polish(work)
    work.comment = "so!"
    said["same"] = polished == work
    said["usual"] = [client.polish(Work(num2=1, tiny=1)).op, client.polish(Work(num2=1, tiny=1)).priority]
    said["swapped"] = [client.swap(Either(text="four")).number, client.swap(Either(number=5)).text]
    said["counts"] = client.count(["a", "b", "a"])
    client.zip()
    client.zip()
    shared = client.getStruct(7)
    said["shared"] = [shared.key, shared.value]
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
        print(json.dumps({protocol: call(sys.argv[3], protocol) for protocol in sys.argv[4:]}))
    else:
        server = TServer.TThreadedServer(
            Calculator.Processor(Handler()), Listening("127.0.0.1", 0), TTransport.TFramedTransportFactory(),
            PROTOCOLS[sys.argv[3]](), daemon=True)
        threading.Thread(target=server.serve, daemon=True).start()
        sys.stdin.read()
        os._exit(0)
