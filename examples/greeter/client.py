"""The greeter's caller in Python, with the official gRPC library: python3 client.py ADDRESS"""
import sys

import grpc
import helloworld_pb2
import helloworld_pb2_grpc


def main():
    with grpc.insecure_channel(sys.argv[1]) as channel:
        greeter = helloworld_pb2_grpc.GreeterStub(channel)
        request = helloworld_pb2.HelloRequest(name="Python")
        print(greeter.SayHello(request, timeout=10).message)
        for reply in greeter.SayHelloStreamReply(request, timeout=10):
            print(reply.message)
        names = (helloworld_pb2.HelloRequest(name=name) for name in ["Ada", "Grace"])
        for reply in greeter.SayHelloBidiStream(names, timeout=10):
            print(reply.message)


main()
