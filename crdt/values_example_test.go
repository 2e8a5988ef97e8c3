package crdt_test

import (
	"fmt"
	"math"

	"github.com/cloudstate-go/cloudstate/crdt"
	"github.com/cloudstate-go/cloudstate/entity"
)

func ExampleGCounter() {
	visits := crdt.NewGCounter()
	fmt.Println(visits.Increment(2), visits.Value())
	fmt.Println(visits.Increment(math.MaxInt64))
	// Output:
	// <nil> 2
	// GCounter: 2 and an increment of 9223372036854775807 are more than 9223372036854775807, the most that it can count
}

func ExamplePNCounter() {
	stock := crdt.NewPNCounter()
	fmt.Println(stock.Increment(5), stock.Decrement(7), stock.Value())
	// Output: <nil> <nil> -2
}

func ExampleGSet() {
	visitors := crdt.NewGSet[string]()
	for _, name := range []string{"kim", "ann", "kim"} {
		if err := visitors.Add(name); err != nil {
			fmt.Println(err)
		}
	}
	for name := range visitors.All() {
		fmt.Println(name)
	}
	// Output:
	// ann
	// kim
}

// Elements that are neither messages nor primitives are stored as JSON, under a name that
// must not change.
func ExampleORSet() {
	type seat struct {
		Row    string `json:"row"`
		Number int    `json:"number"`
	}
	free := crdt.NewORSet[seat](entity.JSON("seat"))
	for number := range 4 {
		if err := free.Add(seat{"A", number}); err != nil {
			fmt.Println(err)
		}
	}
	free.Remove(seat{"A", 2})
	fmt.Println(free.Len(), free.Contains(seat{"A", 1}), free.Contains(seat{"A", 2}))
	for s := range free.All() { // a loop may change the set
		if s.Number > 0 {
			free.Remove(s)
		}
	}
	fmt.Println(free.Len())
	// Output:
	// 3 true false
	// 1
}

// The offer of the lowest bidder wins, in whatever order offers are made.
func ExampleLWWRegister() {
	offer := crdt.NewLWWRegister("")
	bid := func(name string, price int64) error {
		return offer.SetWithClock(name, crdt.ClockCustom, -price)
	}
	fmt.Println(bid("ann", 90), bid("kim", 80), offer.Value())
	// Output: <nil> <nil> kim
}

func ExampleFlag() {
	sold := crdt.NewFlag()
	sold.Enable()
	fmt.Println(sold.Enabled())
	// Output: true
}

func ExampleVote() {
	online := crdt.NewVote()
	online.Set(true)
	fmt.Println(online.AtLeastOne(), online.VotesFor(), "of", online.TotalVoters())
	// Output: true 1 of 1
}

func ExampleORMap() {
	likes := crdt.NewORMap(func(string) *crdt.GCounter { return crdt.NewGCounter() })
	for _, post := range []string{"b", "a", "b"} {
		counter, err := likes.GetOrCreate(post)
		if err != nil {
			fmt.Println(err)
			continue
		}
		if err := counter.Increment(1); err != nil {
			fmt.Println(err)
		}
	}
	for post, counter := range likes.All() {
		fmt.Println(post, counter.Value())
	}
	// Output:
	// a 1
	// b 2
}

// A map has values of several types if its function decides by the key.
func ExampleORMap_mixed() {
	profile := crdt.NewORMap(func(field string) crdt.Data {
		switch field {
		case "visits":
			return crdt.NewGCounter()
		case "tags":
			return crdt.NewORSet[string]()
		default:
			return nil
		}
	})
	value, err := profile.GetOrCreate("tags")
	if tags, ok := value.(*crdt.ORSet[string]); ok {
		fmt.Println(tags.Add("go"), tags.Len(), err)
	}
	_, err = profile.GetOrCreate("age")
	fmt.Println(err)
	// Output:
	// <nil> 1 <nil>
	// ORMap entry age: newValue returned nil, so there is no type for the entry; return a new value for each key that may exist
}

func ExamplePNCounterMap() {
	stock := crdt.NewPNCounterMap[string]()
	fmt.Println(stock.Increment("tea", 5), stock.Decrement("tea", 2), stock.Increment("cup", 1))
	for product, number := range stock.All() {
		fmt.Println(product, number)
	}
	// Output:
	// <nil> <nil> <nil>
	// cup 1
	// tea 3
}

func ExampleLWWRegisterMap() {
	prices := crdt.NewLWWRegisterMap[string, int64](nil)
	fmt.Println(prices.Set("tea", 250), prices.Set("tea", 230))
	price, ok := prices.Get("tea")
	fmt.Println(price, ok)
	// Output:
	// <nil> <nil>
	// 230 true
}
