package entity_test

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/entity"
)

// What an action is sent as google.protobuf.Any, it decodes with a codec.
func ExampleCodec() {
	type target struct {
		Celsius float64 `json:"celsius"`
	}
	codec, err := entity.NewCodec[target](entity.JSON("target-set"))
	if err != nil {
		panic(err)
	}
	payload := &anypb.Any{
		TypeUrl: "json.cloudstate.io/target-set",
		Value:   []byte("\x0a\x0f" + `{"celsius": 21}`),
	}
	v, err := codec.Decode(payload)
	fmt.Println(v.Celsius, err)
	// Output: 21 <nil>
}

// A first version stored the name of a product as text, a second one in two parts.
func ExampleUpcast() {
	type product struct{ Brand, Name string }
	codec, err := entity.NewCodec[product](
		entity.JSON("product"),
		entity.Upcast(func(s string) product {
			brand, name, _ := strings.Cut(s, " ")
			return product{brand, name}
		}),
	)
	if err != nil {
		panic(err)
	}
	v, err := codec.Decode(&anypb.Any{TypeUrl: "p.cloudstate.io/string", Value: []byte("\x0a\x08Acme tee")})
	fmt.Printf("%+v %v\n", v, err)
	// Output: {Brand:Acme Name:tee} <nil>
}
