"""A struct with a uuid as its field 1, by Apache Thrift's protocols: reads it in hexadecimal from its arguments (binary,
compact, JSON), and prints for each the text that it read and what it writes itself, as JSON. Needs thrift 0.22."""
import json
import sys
import uuid

from thrift.protocol import TBinaryProtocol, TCompactProtocol, TJSONProtocol
from thrift.Thrift import TType
from thrift.transport import TTransport

PROTOCOLS = [TBinaryProtocol.TBinaryProtocol, TCompactProtocol.TCompactProtocol, TJSONProtocol.TJSONProtocol]


def read(make, data):
    protocol = make(TTransport.TMemoryBuffer(data))
    protocol.readStructBegin()
    _, kind, number = protocol.readFieldBegin()
    assert (kind, number) == (TType.UUID, 1)
    return str(protocol.readUuid())


def write(make, text):
    buffer = TTransport.TMemoryBuffer()
    protocol = make(buffer)
    protocol.writeStructBegin("One")
    protocol.writeFieldBegin("id", TType.UUID, 1)
    protocol.writeUuid(uuid.UUID(text))
    protocol.writeFieldEnd()
    protocol.writeFieldStop()
    protocol.writeStructEnd()
    return buffer.getvalue().hex()


said = [read(make, bytes.fromhex(data)) for make, data in zip(PROTOCOLS, sys.argv[1:])]
print(json.dumps([[text, write(make, text)] for make, text in zip(PROTOCOLS, said)]))
