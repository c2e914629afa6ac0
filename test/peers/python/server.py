"""Serves geo.v1.Cities with grpcio: server.py DIRECTORY, the directory of the generated messages. Prints its port."""

import sys
import time
from concurrent import futures

import grpc

import cities
from cities import ALL, message, status_of


def search(request, context):
    if request.prefix == "slow":
        time.sleep(2)
    context.send_initial_metadata((("x-served-by", "grpcio"),))
    found = [row for row in ALL if row["name"].lower().startswith(request.prefix.lower())]
    found.sort(key=lambda row: -row["population"])
    return message("CitiesSearchOutput")(cities=[cities.city(row) for row in found[:request.limit]])


def by_country(request, context):
    for row in sorted(ALL, key=lambda row: -row["population"]):
        if row["country"] == request.country:
            yield cities.city(row)


def count_by_country(requests, context):
    output = message("CitiesCountByCountryOutput")()
    for place in requests:
        nearest = min(ALL, key=lambda row: (row["lat"] - place.lat) ** 2 + (row["lon"] - place.lon) ** 2)
        output.counts[nearest["country"]] += 1
        output.total += 1
    return output


def save_favourite(request, context):
    if any(row["id"] == request.city_id for row in ALL):
        return message("CitiesSaveFavouriteOutput")(favourite_id=100 + request.city_id)
    text = f"no city {request.city_id}"
    context.set_trailing_metadata((
        ("grpc-status-details-bin", status_of(grpc.StatusCode.NOT_FOUND.value[0], text, request.city_id)),
    ))
    context.abort(grpc.StatusCode.NOT_FOUND, text)


def handler(kind, behaviour, name):
    return getattr(grpc, f"{kind}_rpc_method_handler")(
        behaviour, message(f"Cities{name}Input").FromString, lambda reply: reply.SerializeToString())


server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(cities.SERVICE, {
    "Search": handler("unary_unary", search, "Search"),
    "ByCountry": handler("unary_stream", by_country, "ByCountry"),
    "CountByCountry": handler("stream_unary", count_by_country, "CountByCountry"),
    "SaveFavourite": handler("unary_unary", save_favourite, "SaveFavourite"),
}),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(f"listening {port}", flush=True)
# Ends with whoever started it.
sys.stdin.read()
server.stop(0).wait()
