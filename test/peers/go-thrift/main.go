// Calls geo.v1.Cities with Apache Thrift for Go: peer HOST:PORT VARIANT..., each `transport/protocol`; prints what each
// was told, as JSON.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/apache/thrift/lib/go/thrift"

	"meridian.example/peers/gen/peers"
)

func protocolOf(name string, configuration *thrift.TConfiguration) thrift.TProtocolFactory {
	if name == "compact" {
		return thrift.NewTCompactProtocolFactoryConf(configuration)
	}
	return thrift.NewTBinaryProtocolFactoryConf(configuration)
}

func converse(address string, variant string) (map[string]any, error) {
	parts := strings.Split(variant, "/")
	configuration := &thrift.TConfiguration{ConnectTimeout: 5 * time.Second, SocketTimeout: 10 * time.Second}
	var transport thrift.TTransport = thrift.NewTSocketConf(address, configuration)
	var protocol thrift.TProtocol
	switch parts[0] {
	case "framed":
		transport = thrift.NewTFramedTransportConf(transport, configuration)
		protocol = protocolOf(parts[1], configuration).GetProtocol(transport)
	case "buffered":
		transport = thrift.NewTBufferedTransport(transport, 4096)
		protocol = protocolOf(parts[1], configuration).GetProtocol(transport)
	case "header":
		id := thrift.THeaderProtocolCompact
		configuration.THeaderProtocolID = &id
		header := thrift.NewTHeaderProtocolConf(transport, configuration)
		transport, protocol = header.Transport(), header
	default:
		return nil, fmt.Errorf("no transport %s", parts[0])
	}
	if err := transport.Open(); err != nil {
		return nil, err
	}
	defer transport.Close()
	cities := peers.NewCitiesClient(thrift.NewTStandardClient(protocol, protocol))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	found, err := cities.Search(ctx, "b", 3)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, city := range found.Cities {
		names = append(names, city.Name)
	}
	saved, err := cities.SaveFavourite(ctx, "ada", 3)
	if err != nil {
		return nil, err
	}
	_, err = cities.SaveFavourite(ctx, "ada", 99)
	var missing *peers.CityNotFound
	if !errors.As(err, &missing) {
		return nil, fmt.Errorf("expected CityNotFound, got %v", err)
	}
	return map[string]any{
		"search": names, "favouriteId": saved.FavouriteId, "error": map[string]any{"cityId": missing.CityId},
	}, nil
}

func main() {
	told := map[string]any{}
	for _, variant := range os.Args[2:] {
		said, err := converse(os.Args[1], variant)
		if err != nil {
			fmt.Fprintln(os.Stderr, variant, err)
			os.Exit(1)
		}
		told[variant] = said
	}
	if err := json.NewEncoder(os.Stdout).Encode(told); err != nil {
		os.Exit(1)
	}
}
