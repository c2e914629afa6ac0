package main

import (
	"context"
	"io"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func dial(address string) (*grpc.ClientConn, error) {
	return grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
}

func path(method string) string {
	return "/" + service + "/" + method
}

func names(cities []City) []string {
	names := []string{}
	for _, city := range cities {
		names = append(names, city.Name)
	}
	return names
}

func (a *atlas) search(ctx context.Context, connection *grpc.ClientConn, said map[string]any) error {
	request := a.fill("CitiesSearchInput", map[string]any{"prefix": "b", "limit": 3})
	reply := a.message("CitiesSearchOutput")
	var header metadata.MD
	if err := connection.Invoke(ctx, path("Search"), request, reply, grpc.Header(&header)); err != nil {
		return err
	}
	var found struct{ Cities []City }
	if err := read(reply, &found); err != nil {
		return err
	}
	said["search"] = names(found.Cities)
	for _, by := range header.Get("x-served-by") {
		said["servedBy"] = by
	}
	return nil
}

func (a *atlas) byCountry(ctx context.Context, connection *grpc.ClientConn, said map[string]any) error {
	stream, err := connection.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, path("ByCountry"))
	if err != nil {
		return err
	}
	if err := stream.SendMsg(a.fill("CitiesByCountryInput", map[string]any{"country": "DE"})); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	found := []City{}
	for {
		message := a.message("City")
		if err := stream.RecvMsg(message); err == io.EOF {
			said["byCountry"] = names(found)
			return nil
		} else if err != nil {
			return err
		}
		var city City
		if err := read(message, &city); err != nil {
			return err
		}
		found = append(found, city)
	}
}

func (a *atlas) countByCountry(ctx context.Context, connection *grpc.ClientConn, said map[string]any) error {
	stream, err := connection.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, path("CountByCountry"))
	if err != nil {
		return err
	}
	for _, city := range a.cities {
		place := a.fill("CitiesCountByCountryInput", map[string]any{"lat": city.Lat, "lon": city.Lon})
		if err := stream.SendMsg(place); err != nil {
			return err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	reply := a.message("CitiesCountByCountryOutput")
	if err := stream.RecvMsg(reply); err != nil {
		return err
	}
	return read(reply, &said)
}

func (a *atlas) saveFavourite(ctx context.Context, connection *grpc.ClientConn, said map[string]any) error {
	save := func(cityID int) (*int, error) {
		request := a.fill("CitiesSaveFavouriteInput", map[string]any{"user": "ada", "cityId": cityID})
		reply := a.message("CitiesSaveFavouriteOutput")
		if err := connection.Invoke(ctx, path("SaveFavourite"), request, reply); err != nil {
			return nil, err
		}
		var saved struct{ FavouriteID int }
		err := read(reply, &saved)
		return &saved.FavouriteID, err
	}
	saved, err := save(3)
	if err != nil {
		return err
	}
	said["favouriteId"] = *saved
	_, err = save(99)
	said["error"] = a.describe(status.Convert(err))
	return nil
}

// describe says what came of an error, its declared name and data among it.
func (a *atlas) describe(failed *status.Status) map[string]any {
	said := map[string]any{"code": failed.Code(), "message": failed.Message()}
	for _, detail := range failed.Proto().GetDetails() {
		info := &errdetails.ErrorInfo{}
		missing := a.message("CitiesSaveFavouriteCityNotFound")
		if detail.MessageIs(info) && detail.UnmarshalTo(info) == nil {
			said["reason"] = info.Reason
		}
		if detail.MessageIs(missing) && detail.UnmarshalTo(missing) == nil {
			var city struct{ CityID int }
			if read(missing, &city) == nil {
				said["cityId"] = city.CityID
			}
		}
	}
	return said
}

func (a *atlas) slow(ctx context.Context, connection *grpc.ClientConn, said map[string]any) error {
	hurried, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	request := a.fill("CitiesSearchInput", map[string]any{"prefix": "slow", "limit": 1})
	err := connection.Invoke(hurried, path("Search"), request, a.message("CitiesSearchOutput"))
	said["slow"] = status.Code(err)
	return nil
}
