"""Asks a server for its health and for its descriptors with grpcio: standard.py DIRECTORY ADDRESS. Prints JSON."""

import json
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool

sys.path.insert(0, sys.argv[1])
import health_pb2  # noqa: E402
import reflection_pb2  # noqa: E402

said = {}


def stub(channel, kind, path, request, response):
    return getattr(channel, kind)(path, request.SerializeToString, response.FromString)


def name_of(response):
    return health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)


def reflect(channel, service, **question):
    ask = stub(channel, "stream_stream", f"/{service}/ServerReflectionInfo",
               reflection_pb2.ServerReflectionRequest, reflection_pb2.ServerReflectionResponse)
    return next(ask(iter([reflection_pb2.ServerReflectionRequest(**question)]), timeout=5))


with grpc.insecure_channel(sys.argv[2]) as channel:
    base = "/grpc.health.v1.Health/"
    request, response = health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
    check = stub(channel, "unary_unary", base + "Check", request, response)
    said["overall"] = name_of(check(request(), timeout=5))
    said["cities"] = name_of(check(request(service="geo.v1.Cities"), timeout=5))
    try:
        check(request(service="none"), timeout=5)
    except grpc.RpcError as error:
        said["none"] = error.code().name
    listed = stub(channel, "unary_unary", base + "List", health_pb2.HealthListRequest, health_pb2.HealthListResponse)
    said["list"] = {name: name_of(one) for name, one in listed(health_pb2.HealthListRequest(), timeout=5).statuses.items()}

    for version in ("v1", "v1alpha"):
        service = f"grpc.reflection.{version}.ServerReflection"
        names = reflect(channel, service, list_services="*").list_services_response.service
        files = reflect(channel, service, file_containing_symbol="geo.v1.Cities").file_descriptor_response
        pool = descriptor_pool.DescriptorPool()
        # Each file behind those that it depends on.
        for serialized in reversed(files.file_descriptor_proto):
            pool.Add(descriptor_pb2.FileDescriptorProto.FromString(serialized))
        methods = pool.FindServiceByName("geo.v1.Cities").methods
        error = reflect(channel, service, file_by_filename="none.proto").error_response
        said[version] = {
            "services": [one.name for one in names], "methods": [one.name for one in methods],
            "error": error.error_code,
        }

    # Watching goes on until the server says that it ends.
    watch = stub(channel, "unary_stream", base + "Watch", request, response)
    said["watch"] = []
    try:
        for one in watch(request(service="geo.v1.Cities"), timeout=20):
            said["watch"].append(name_of(one))
            print("watching", flush=True)
    except grpc.RpcError as error:
        said["watchEnd"] = error.code().name

print(json.dumps(said))
