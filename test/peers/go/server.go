package main

import (
	"context"
	"fmt"
	"io"
	"time"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

type handler func(ctx context.Context, request proto.Message) (proto.Message, error)

func (a *atlas) description() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: service,
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{
			a.unary("Search", a.found), a.unary("SaveFavourite", a.saved),
		},
		Streams: []grpc.StreamDesc{
			{StreamName: "ByCountry", ServerStreams: true, Handler: a.streamed},
			{StreamName: "CountByCountry", ClientStreams: true, Handler: a.counted},
		},
	}
}

func (a *atlas) unary(name string, answer handler) grpc.MethodDesc {
	handle := func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		request := a.message("Cities" + name + "Input")
		if err := decode(request); err != nil {
			return nil, err
		}
		return answer(ctx, request)
	}
	return grpc.MethodDesc{MethodName: name, Handler: handle}
}

func (a *atlas) found(ctx context.Context, request proto.Message) (proto.Message, error) {
	var asked struct {
		Prefix string
		Limit  int
	}
	if err := read(request, &asked); err != nil {
		return nil, err
	}
	if asked.Prefix == "slow" {
		select {
		case <-ctx.Done():
			return nil, status.FromContextError(ctx.Err()).Err()
		case <-time.After(2 * time.Second):
		}
	}
	if err := grpc.SetHeader(ctx, metadata.Pairs("x-served-by", "grpc-go")); err != nil {
		return nil, err
	}
	found := []City{}
	for _, city := range a.cities {
		if begins(city.Name, asked.Prefix) && len(found) < asked.Limit {
			found = append(found, city)
		}
	}
	return a.fill("CitiesSearchOutput", map[string]any{"cities": found}), nil
}

func (a *atlas) saved(_ context.Context, request proto.Message) (proto.Message, error) {
	var asked struct{ CityID int }
	if err := read(request, &asked); err != nil {
		return nil, err
	}
	for _, city := range a.cities {
		if city.ID == asked.CityID {
			return a.fill("CitiesSaveFavouriteOutput", map[string]any{"favouriteId": 100 + city.ID}), nil
		}
	}
	return nil, a.notFound(asked.CityID)
}

// notFound is the declared error CityNotFound.
func (a *atlas) notFound(cityID int) error {
	data, err := anypb.New(a.fill("CitiesSaveFavouriteCityNotFound", map[string]any{"cityId": cityID}))
	if err != nil {
		return err
	}
	// The message alone, without the name of the error: all that whoever has no more than the .proto would send.
	return status.ErrorProto(&spb.Status{
		Code: int32(codes.NotFound), Message: fmt.Sprintf("no city %d", cityID), Details: []*anypb.Any{data},
	})
}

func (a *atlas) streamed(_ any, stream grpc.ServerStream) error {
	request := a.message("CitiesByCountryInput")
	if err := stream.RecvMsg(request); err != nil {
		return err
	}
	var asked struct{ Country string }
	if err := read(request, &asked); err != nil {
		return err
	}
	for _, city := range a.cities {
		if city.Country != asked.Country {
			continue
		}
		if err := stream.SendMsg(a.fill("City", city)); err != nil {
			return err
		}
	}
	return nil
}

func (a *atlas) counted(_ any, stream grpc.ServerStream) error {
	counts := map[string]int{}
	total := 0
	for {
		place := a.message("CitiesCountByCountryInput")
		if err := stream.RecvMsg(place); err == io.EOF {
			return stream.SendMsg(a.fill("CitiesCountByCountryOutput", map[string]any{"counts": counts, "total": total}))
		} else if err != nil {
			return err
		}
		var at struct{ Lat, Lon float64 }
		if err := read(place, &at); err != nil {
			return err
		}
		counts[a.nearest(at.Lat, at.Lon).Country]++
		total++
	}
}

func (a *atlas) nearest(lat, lon float64) City {
	best := a.cities[0]
	distance := func(city City) float64 {
		return (city.Lat-lat)*(city.Lat-lat) + (city.Lon-lon)*(city.Lon-lon)
	}
	for _, city := range a.cities {
		if distance(city) < distance(best) {
			best = city
		}
	}
	return best
}
