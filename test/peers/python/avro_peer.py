"""geo.v1.Cities by the Avro of Apache, over HTTP, both ways: `client PORT AVPR PATH` makes the calls and prints what it
was told as JSON; `server AVPR CITIES` serves, prints `listening PORT`, and ends with its standard input."""
import http.server
import json
import sys
import threading
import time

import avro.errors
import avro.io
import avro.ipc
import avro.protocol

SLOW_SECONDS = 2


class Requestor(avro.ipc.Requestor):
    """Apache's, which reads metadata and drops it; this one keeps it, and sends some."""

    metadata = None
    told = None

    def write_call_request(self, message_name, request_datum, encoder):
        avro.ipc.META_WRITER.write(self.metadata or {}, encoder)
        message = self.local_protocol.messages[message_name]
        encoder.write_utf8(message.name)
        self.write_request(message.request, request_datum, encoder)

    def read_call_response(self, message_name, decoder):
        start = decoder.reader.tell()
        self.told = {k: v.decode() for k, v in avro.ipc.META_READER.read(decoder).items()}
        decoder.reader.seek(start)
        return super().read_call_response(message_name, decoder)


CODES = {"deadline_exceeded": 4, "not_found": 5, "unimplemented": 12}


def client(port, avpr, path):
    protocol = avro.protocol.parse(open(avpr).read())

    def call(name, request, metadata=None):
        # One transceiver for each, as Apache's own tool has it: its servers close connections.
        requestor = Requestor(protocol, avro.ipc.HTTPTransceiver("127.0.0.1", port, path))
        requestor.metadata = metadata
        try:
            return requestor.request(name, request), None, requestor.told
        except avro.errors.AvroRemoteException as error:
            return None, error.args[0], requestor.told

    three, _, told = call("search", {"prefix": "b", "limit": 3})
    saved, _, _ = call("saveFavourite", {"user": "ada", "cityId": 3})
    _, missing, missing_told = call("saveFavourite", {"user": "ada", "cityId": 99})
    _, slow, _ = call("search", {"prefix": "slow", "limit": 1}, {"meridian-timeout-ms": b"200"})
    print(json.dumps({
        "search": [city["name"] for city in three["cities"]],
        "servedBy": told.get("x-served-by"),
        "favouriteId": saved["favouriteId"],
        "error": {
            "code": CODES[missing_told["meridian-code"]], "message": missing_told["meridian-message"],
            "reason": missing_told["meridian-reason"], "cityId": missing["cityId"],
        },
        "slow": CODES[str(slow).split(":")[0]],
    }))


class Responder(avro.ipc.Responder):
    """Apache's writes errors as texts alone; this one those that are declared as what they are."""

    def __init__(self, protocol, cities):
        super().__init__(protocol)
        self.cities = cities

    def invoke(self, message, request):
        if message.name == "search":
            if request["prefix"] == "slow":
                time.sleep(SLOW_SECONDS)
            prefix = request["prefix"].lower()
            return {"cities": [c for c in self.cities if c["name"].lower().startswith(prefix)][:request["limit"]]}
        if message.name == "saveFavourite":
            if all(city["id"] != request["cityId"] for city in self.cities):
                raise avro.errors.AvroRemoteException({"cityId": request["cityId"]})
            return {"favouriteId": 100 + request["cityId"], "replayed": False}
        raise avro.errors.AvroException(f"unimplemented: {message.name}")

    def write_error(self, writers_schema, error_exception, encoder):
        datum = error_exception.args[0]
        avro.io.DatumWriter(writers_schema).write(datum, encoder)


def server(avpr, cities_file):
    cities = sorted(json.load(open(cities_file)), key=lambda city: -city["population"])
    responder = Responder(avro.protocol.parse(open(avpr).read()), cities)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            reader = avro.ipc.FramedReader(self.rfile)
            answer = responder.respond(reader.read_framed_message())
            self.send_response(200)
            self.send_header("Content-Type", "avro/binary")
            self.end_headers()
            avro.ipc.FramedWriter(self.wfile).write_framed_message(answer)

        def log_message(self, *_):
            pass

    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    print(f"listening {listening.server_address[1]}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    if sys.argv[1] == "client":
        client(int(sys.argv[2]), sys.argv[3], sys.argv[4])
    else:
        server(sys.argv[2], sys.argv[3])
