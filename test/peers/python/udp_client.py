"""A client of Meridian's UDP wire, written from docs/udp.md alone: one call with JSON, sent until it is answered."""
import json
import os
import socket
import sys
import time

HELLO, REQUEST, BYE, COOKIE, WELCOME, ANSWER, ACK = 1, 2, 4, 33, 34, 35, 36


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def run(data):
    return varint(len(data)) + data


class Client:
    def __init__(self, host, port):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((host, port))
        self.id, self.packet, self.calls = os.urandom(8), 0, 0
        (_, cookie) = self.exchange(HELLO, self.hello(b""), {COOKIE})
        length, at = read_varint(cookie, 0)
        (_, welcome) = self.exchange(HELLO, self.hello(cookie[at:at + length]), {WELCOME})
        self.id = welcome[:8]

    def hello(self, cookie):
        return (run(cookie) + varint(1200)).ljust(48, b"\0")

    def send(self, kind, payload):
        self.packet += 1
        self.socket.send(b"MU\x01" + bytes([kind]) + self.id + self.packet.to_bytes(4, "little") + payload)

    def exchange(self, kind, payload, wanted, call=None):
        """Sends until an answer of a wanted type is there, and of this call; twice as patient each time."""
        for attempt in range(6):
            self.send(kind, payload)
            until = time.monotonic() + 0.5 * 2 ** attempt
            while (left := until - time.monotonic()) > 0:
                self.socket.settimeout(left)
                try:
                    data = self.socket.recv(2048)
                except socket.timeout:
                    break
                if data[:3] != b"MU\x01" or data[4:12] != self.id or data[3] not in wanted:
                    continue
                if call is None or read_varint(data, 16)[0] == call:
                    return data[3], data[16:]
        raise TimeoutError("no answer")

    def call(self, path, request, oneway=False):
        self.calls += 1
        head = varint(self.calls) * 2 + bytes([2 | (4 if oneway else 0)]) + varint(5000) + varint(0)
        named = bytes([0 if oneway else 1 << 2]) + run(b"json") + run(path.encode())
        payload = head + named + json.dumps(request).encode()
        kind, data = self.exchange(REQUEST, payload, {ANSWER, ACK} if oneway else {ANSWER}, self.calls)
        if kind == ACK:
            return None
        at = read_varint(data, read_varint(data, 0)[1])[1]
        flags, at = data[at], at + 1
        if flags & 2:
            code, at = read_varint(data, at)
            length, at = read_varint(data, at + 1)
            return {"code": code, "message": data[at:at + length].decode()}
        if flags & 1:
            length, at = read_varint(data, at)
            at += length
        return json.loads(data[at:])


client = Client(sys.argv[1], int(sys.argv[2]))
print(json.dumps([client.call(path, request, oneway) for path, request, oneway in json.loads(sys.argv[3])]))
client.send(BYE, b"")
