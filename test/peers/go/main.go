// Calls and serves geo.v1.Cities with grpc-go, its messages made at run time from a descriptor set:
//
//	peers server DESCRIPTORS CITIES.JSON          prints its port, serves until its standard input ends
//	peers client DESCRIPTORS CITIES.JSON ADDRESS  prints one JSON object, what it was told
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"sort"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

const service = "geo.v1.Cities"

// City is a row of cities.json, and the message City as JSON.
type City struct {
	ID         int     `json:"id"`
	Name       string  `json:"name"`
	Country    string  `json:"country"`
	Lat        float64 `json:"lat"`
	Lon        float64 `json:"lon"`
	Population int     `json:"population"`
}

type atlas struct {
	files  *protoregistry.Files
	cities []City
}

func main() {
	log.SetFlags(0)
	role := os.Args[1]
	atlas := load(os.Args[2], os.Args[3])
	switch role {
	case "server":
		atlas.serve()
	case "client":
		said, err := atlas.call(os.Args[4])
		check(err)
		check(json.NewEncoder(os.Stdout).Encode(said))
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func load(descriptors, cities string) *atlas {
	bytes, err := os.ReadFile(descriptors)
	check(err)
	set := &descriptorpb.FileDescriptorSet{}
	check(proto.Unmarshal(bytes, set))
	files, err := protodesc.NewFiles(set)
	check(err)
	atlas := &atlas{files: files}
	bytes, err = os.ReadFile(cities)
	check(err)
	check(json.Unmarshal(bytes, &atlas.cities))
	sort.Slice(atlas.cities, func(i, j int) bool { return atlas.cities[i].Population > atlas.cities[j].Population })
	return atlas
}

// message makes an empty message of this package.
func (a *atlas) message(name string) *dynamicpb.Message {
	found, err := a.files.FindDescriptorByName(protoreflect.FullName("geo.v1." + name))
	check(err)
	return dynamicpb.NewMessage(found.(protoreflect.MessageDescriptor))
}

// fill makes a message out of anything that JSON can say.
func (a *atlas) fill(name string, value any) *dynamicpb.Message {
	text, err := json.Marshal(value)
	check(err)
	made := a.message(name)
	check(protojson.Unmarshal(text, made))
	return made
}

// read turns a message into what its JSON says.
func read(from proto.Message, into any) error {
	text, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func (a *atlas) serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	server := grpc.NewServer()
	server.RegisterService(a.description(), nil)
	go func() { check(server.Serve(listener)) }()
	fmt.Printf("listening %d\n", listener.Addr().(*net.TCPAddr).Port)
	_, _ = io.Copy(io.Discard, os.Stdin)
	server.Stop()
}

func (a *atlas) call(address string) (map[string]any, error) {
	connection, err := dial(address)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	said := map[string]any{}
	for _, step := range []func(context.Context, *grpc.ClientConn, map[string]any) error{
		a.search, a.byCountry, a.countByCountry, a.saveFavourite, a.slow,
	} {
		if err := step(ctx, connection, said); err != nil {
			return nil, err
		}
	}
	return said, nil
}

func begins(name, prefix string) bool {
	return strings.HasPrefix(strings.ToLower(name), strings.ToLower(prefix))
}
