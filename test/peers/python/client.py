"""Calls geo.v1.Cities with grpcio: client.py DIRECTORY ADDRESS [unary]. Prints one JSON object, what it was told."""

import json
import sys

import grpc

import cities
from cities import message, read_status

said = {}
with grpc.insecure_channel(sys.argv[2]) as channel:
    def stub(kind, name, output=None):
        return getattr(channel, kind)(
            cities.path(name), lambda request: request.SerializeToString(),
            message(output or f"Cities{name}Output").FromString)

    search = stub("unary_unary", "Search")
    found, call = search.with_call(message("CitiesSearchInput")(prefix="b", limit=3), timeout=5)
    said["search"] = [city.name for city in found.cities]
    said["servedBy"] = dict(call.initial_metadata()).get("x-served-by")

    if sys.argv[3:] != ["unary"]:
        by_country = stub("unary_stream", "ByCountry", "City")
        said["byCountry"] = [city.name for city in by_country(message("CitiesByCountryInput")(country="DE"), timeout=5)]

        places = [message("CitiesCountByCountryInput")(lat=row["lat"], lon=row["lon"]) for row in cities.ALL]
        counted = stub("stream_unary", "CountByCountry")(iter(places), timeout=5)
        said["counts"], said["total"] = dict(counted.counts), counted.total

    save = stub("unary_unary", "SaveFavourite")
    said["favouriteId"] = save(message("CitiesSaveFavouriteInput")(user="ada", city_id=3), timeout=5).favourite_id
    try:
        save(message("CitiesSaveFavouriteInput")(user="ada", city_id=99), timeout=5)
    except grpc.RpcError as error:
        blob = dict(error.trailing_metadata()).get("grpc-status-details-bin", b"")
        reason, city_id = read_status(blob)
        said["error"] = {"code": error.code().value[0], "message": error.details(), "reason": reason, "cityId": city_id}

    try:
        search(message("CitiesSearchInput")(prefix="slow", limit=1), timeout=0.2)
    except grpc.RpcError as error:
        said["slow"] = error.code().value[0]

print(json.dumps(said))
