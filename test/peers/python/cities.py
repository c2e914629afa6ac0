"""What the Python client and server of geo.v1.Cities share: messages, methods, and the error that is declared."""

import importlib
import json
import pathlib
import sys

# Made by protoc from the .proto that Meridian exported; where, the caller says.
sys.path.insert(0, sys.argv[1])
messages = importlib.import_module("cities_pb2")
errors = importlib.import_module("error_pb2")

SERVICE = "geo.v1.Cities"
ALL = json.loads((pathlib.Path(__file__).parent.parent / "cities.json").read_text("utf-8"))


def path(method):
    return f"/{SERVICE}/{method}"


def message(name):
    return getattr(messages, name)


def city(row):
    return messages.City(**row)


def status_of(code, text, city_id):
    """The bytes of grpc-status-details-bin for the error CityNotFound, as Meridian reads and writes it."""
    status = errors.Status(code=code, message=text)
    status.details.add().Pack(errors.ErrorInfo(reason="CityNotFound", domain=SERVICE))
    status.details.add().Pack(message("CitiesSaveFavouriteCityNotFound")(city_id=city_id))
    return status.SerializeToString()


def read_status(blob):
    """The reason of an error, and the city that its data name."""
    info, missing = errors.ErrorInfo(), message("CitiesSaveFavouriteCityNotFound")()
    for detail in errors.Status.FromString(blob).details:
        # Each unpacks what is of its type, and leaves the rest.
        _ = detail.Unpack(info) or detail.Unpack(missing)
    return info.reason, missing.city_id
