package product_test

import (
	"testing"

	"github.com/eventus-go/eventus/eventustest"
	. "github.com/eventus-go/eventus/product"
	"pgregory.net/rapid"
)

// The arguments that commands are tried with: few, so that they meet again, and
// bad ones among them.
var (
	names  = rapid.SampledFrom([]string{"Widget", "Gadget", " Lamp ", "", "Wid\x00get"})
	prices = rapid.Custom(func(t *rapid.T) Money {
		return Money{
			Amount:   rapid.Int64Range(-1, 3).Draw(t, "amount"),
			Currency: rapid.SampledFrom([]string{"EUR", "EUR", "USD", "eur"}).Draw(t, "currency"),
		}
	})
)

// aProductHasAPrice holds for every product that is there.
func aProductHasAPrice(s State) error {
	return s.Price.Check()
}

var laws = eventustest.LawsOf(Products,
	eventustest.Do2((*Product).Create, names, prices),
	eventustest.Do1((*Product).Reprice, prices),
	eventustest.Do1((*Product).Rename, names),
	eventustest.Do((*Product).Discontinue),
).Invariant(aProductHasAPrice)

func TestLaws(t *testing.T) { laws.Check(t) }

func FuzzLaws(f *testing.F) { laws.Fuzz(f) }
