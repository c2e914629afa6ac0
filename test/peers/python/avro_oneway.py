"""One-way messages by the Avro of Apache, over HTTP: `avro_oneway.py PORT AVPR TEXT...` sends each text by the message
note, and then prints as JSON what the message notes answers. Its library knows no one-way messages and waits for an
answer, which over HTTP there is."""
import json
import sys

import avro.ipc
import avro.protocol

port, avpr, *texts = sys.argv[1:]
protocol = avro.protocol.parse(open(avpr).read())


def call(name, request):
    # One transceiver for each, as Apache's own tool has it: its servers close connections.
    return avro.ipc.Requestor(protocol, avro.ipc.HTTPTransceiver("127.0.0.1", int(port), "/")).request(name, request)


answers = [call("note", {"text": text}) for text in texts]
print(json.dumps({"answers": answers, "notes": call("notes", {})}))
